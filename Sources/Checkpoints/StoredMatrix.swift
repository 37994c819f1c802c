// SPDX-License-Identifier: Apache-2.0

/// A matrix of a checkpoint as it is stored: its rows become floats when they are needed.
///
/// It holds no memory but the mapped file, which all processes that read it share.
public struct StoredMatrix: Sendable {
  /// The number of rows.
  public let rowCount: Int
  /// The number of columns.
  public let columnCount: Int

  /// How many bytes it takes as it is stored.
  public var byteCount: Int { tensor.info.range.count }

  private let tensor: StoredTensor

  /// The matrix of a tensor of two extents; every value is looked at once.
  ///
  /// - Throws: `notFloats`, `notFinite`.
  init(_ tensor: StoredTensor, named name: String) throws(CheckpointError) {
    precondition(tensor.info.shape.count == 2, "\(name) of shape \(tensor.info.shape)")
    rowCount = tensor.info.shape[0]
    columnCount = tensor.info.shape[1]
    self.tensor = tensor
    try tensor.check(named: name)
  }

  /// Writes rows as floats to `target`, in Hugging Face's order, end to end.
  ///
  /// - Precondition: the matrix has the rows, and `target` as many elements.
  public func expand(rows: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) {
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= rowCount
        && target.count == rows.count * columnCount,
      "rows \(rows) of \(rowCount) for \(target.count) elements")
    tensor.expand(rows: rows, into: target)
  }

  /// Whether rows lie in the file just as they would in memory.
  public var isStoredAsFloats: Bool { tensor.isStoredAsFloats }

  /// Calls `body` with rows where they lie.
  ///
  /// - Precondition: they are stored as floats, and the matrix has them.
  public func withStoredFloats(rows: Range<Int>, _ body: (UnsafeBufferPointer<Float>) -> Void) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount, "\(rows) of \(rowCount)")
    tensor.withStoredFloats(rows: rows, body)
  }
}
