// SPDX-License-Identifier: Apache-2.0

/// Changes of weights that are about to be multiplied.
extension Kernels {
  /// Adds values to some elements of a row.
  ///
  /// - Precondition: there are as many columns as values, and the row has them.
  public static func add(
    _ values: ArraySlice<Float>, at columns: ArraySlice<UInt32>,
    to row: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(values.count == columns.count, "\(values.count) values at \(columns.count) places")
    precondition(columns.allSatisfy { $0 < row.count }, "a column of a row of \(row.count)")
    for (value, column) in zip(values, columns) { row[Int(column)] += value }
  }

  /// Multiplies each `length` elements of a row by 1 and an excess; the last block may be shorter.
  ///
  /// - Precondition: there are as many excesses as blocks.
  public static func scale(
    _ row: UnsafeMutableBufferPointer<Float>, inBlocksOf length: Int,
    byExcesses excesses: ArraySlice<Float>
  ) {
    precondition(
      length > 0 && excesses.count == (row.count + length - 1) / length,
      "\(excesses.count) blocks of \(length) in a row of \(row.count)")
    guard let base = row.baseAddress else { return }
    for (block, excess) in excesses.enumerated() {
      let factor = 1 + excess
      let end = min(row.count, (block + 1) * length)
      var index = block * length
      while index < end {
        base[index] *= factor
        index &+= 1
      }
    }
  }
}
