// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Tensors

extension ParameterVector {
  /// The zero vector of a layout, in large pages if it is large.
  ///
  /// From 32 MiB on glibc gives freed memory back to the system, so a new vector costs a fault a
  /// page: with pages of 4 KiB that is ten times the work of decoding what goes into it.
  static func largeZeros(of layout: ParameterLayout) -> ParameterVector {
    let values = [Float](unsafeUninitializedCapacity: layout.count) { values, count in
      adviseLargePages(UnsafeMutableRawBufferPointer(values))
      values.initialize(repeating: 0)
      count = layout.count
    }
    return ParameterVector(layout: layout, values: values)
  }

  /// Asks for large pages where whole ones fit; where the system has none, nothing happens.
  private static func adviseLargePages(_ bytes: UnsafeMutableRawBufferPointer) {
    let pageSize = 1 << 21
    guard bytes.count >= 1 << 25, let base = bytes.baseAddress else { return }
    let start = base.alignedUp(toMultipleOf: pageSize)
    let end = (base + bytes.count).alignedDown(toMultipleOf: pageSize)
    madvise(start, start.distance(to: end), MADV_HUGEPAGE)
  }
}
