// SPDX-License-Identifier: Apache-2.0

/// A matrix of a checkpoint as it is stored: its rows become floats when they are needed.
///
/// It holds no memory but the mapped file, which all processes that read it share, unless it was
/// quantised.
public struct StoredMatrix: Sendable {
  /// The number of rows.
  public let rowCount: Int
  /// The number of columns.
  public let columnCount: Int

  /// How many bytes it takes as it is stored.
  public var byteCount: Int {
    switch storage {
    case .mapped(let tensor): tensor.info.range.count
    case .quantized(let matrix): matrix.byteCount
    }
  }

  private enum Storage: Sendable {
    case mapped(StoredTensor)
    case quantized(QuantizedMatrix)
  }
  private let storage: Storage

  /// The matrix of a tensor of two extents; every value is looked at once.
  ///
  /// - Throws: `notFloats`, `notFinite`.
  init(
    _ tensor: StoredTensor, named name: String, quantization: Quantization? = nil
  ) throws(CheckpointError) {
    precondition(tensor.info.shape.count == 2, "\(name) of shape \(tensor.info.shape)")
    rowCount = tensor.info.shape[0]
    columnCount = tensor.info.shape[1]
    try tensor.check(named: name)
    if let quantization, quantization.changes(tensor.info.type) {
      storage = .quantized(QuantizedMatrix(tensor, as: quantization))
    } else {
      storage = .mapped(tensor)
    }
  }

  /// Whether it is mapped as it is stored.
  public var isMapped: Bool {
    if case .mapped = storage { true } else { false }
  }

  /// Lets the system take back the memory in which a mapped matrix was read.
  public func releasePages() {
    if case .mapped(let tensor) = storage { tensor.releasePages() }
  }

  /// Writes rows as floats to `target`, in Hugging Face's order, end to end.
  ///
  /// - Precondition: the matrix has the rows, and `target` as many elements.
  public func expand(rows: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) {
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= rowCount
        && target.count == rows.count * columnCount,
      "rows \(rows) of \(rowCount) for \(target.count) elements")
    switch storage {
    case .mapped(let tensor): tensor.expand(rows: rows, into: target)
    case .quantized(let matrix): matrix.expand(rows: rows, into: target)
    }
  }

  /// Whether rows lie in the file just as they would in memory.
  public var isStoredAsFloats: Bool {
    if case .mapped(let tensor) = storage { tensor.isStoredAsFloats } else { false }
  }

  /// Calls `body` with rows where they lie.
  ///
  /// - Precondition: they are stored as floats, and the matrix has them.
  public func withStoredFloats(rows: Range<Int>, _ body: (UnsafeBufferPointer<Float>) -> Void) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount, "\(rows) of \(rowCount)")
    guard case .mapped(let tensor) = storage else {
      preconditionFailure("floats of a quantised matrix")
    }
    tensor.withStoredFloats(rows: rows, body)
  }
}
