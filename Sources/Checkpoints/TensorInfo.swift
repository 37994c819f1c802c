// SPDX-License-Identifier: Apache-2.0

/// One stored tensor: its type, its shape, and where its bytes lie.
public struct TensorInfo: Hashable, Sendable {
  /// How the values are stored.
  public let type: ElementType
  /// The extents, outermost first; rows are contiguous.
  public let shape: [Int]
  /// The number of values.
  public let count: Int
  /// The bytes of the file that hold the values.
  let range: Range<Int>

  /// The number of pieces that each hold whole blocks and lie end to end: the outermost extent, but
  /// a vector of blocks is one piece.
  var rowCount: Int { shape.count < 2 && type.blockLength > 1 ? 1 : shape.first ?? 1 }

  /// A tensor of `shape` whose bytes start at `offset`; nil if a size overflows, an extent is
  /// negative, or a row does not hold whole blocks.
  init?(type: ElementType, shape: [Int], offset: Int) {
    var count = 1
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { return nil }
      count = product
    }
    guard (shape.last ?? 1).isMultiple(of: type.blockLength) else { return nil }
    let (byteCount, overflow) = (count / type.blockLength)
      .multipliedReportingOverflow(by: type.blockByteCount)
    let (end, overflowOfEnd) = offset.addingReportingOverflow(byteCount)
    guard offset >= 0, !overflow, !overflowOfEnd else { return nil }
    self.type = type
    self.shape = shape
    self.count = count
    self.range = offset..<end
  }
}
