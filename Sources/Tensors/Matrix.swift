// SPDX-License-Identifier: Apache-2.0

/// Floats in rows and columns, row-major, or a part of another matrix's columns or rows.
///
/// A part shares its memory with the whole for as long as neither is written to. A matrix can be
/// given more or fewer rows again and again; its memory is kept and only grows.
public struct Matrix: Sendable {
  /// The memory; the matrix may be a part of it.
  public var values: [Float]
  /// Where the first element lies.
  public let offset: Int
  /// The number of rows.
  public private(set) var rowCount: Int
  /// The number of columns.
  public private(set) var columnCount: Int
  /// How far apart the beginnings of two rows are.
  public private(set) var stride: Int

  /// A matrix of zeros.
  public init(rows: Int, columns: Int) {
    self.init([Float](repeating: 0, count: rows * columns), rows: rows, columns: columns)
  }

  /// A matrix without rows, which has memory for `rows` of them.
  public init(reserving rows: Int, columns: Int) {
    var memory: [Float] = []
    memory.reserveCapacity(rows * columns)
    self.init(memory, rows: 0, columns: columns)
  }

  /// The matrix that lies at `offset` in `values`.
  ///
  /// - Precondition: all of it lies there.
  public init(_ values: [Float], at offset: Int = 0, rows: Int, columns: Int) {
    self.init(values, at: offset, rows: rows, columns: columns, stride: columns)
  }

  private init(_ values: [Float], at offset: Int, rows: Int, columns: Int, stride: Int) {
    precondition(rows >= 0 && columns > 0 && offset >= 0, "[\(rows), \(columns)] at \(offset)")
    let end = rows == 0 ? offset : offset + (rows - 1) * stride + columns
    precondition(end <= values.count, "a matrix that ends at \(end) in \(values.count) values")
    self.values = values
    self.offset = offset
    self.rowCount = rows
    self.columnCount = columns
    self.stride = stride
  }

  /// Whether rows lie end to end from the beginning of the memory.
  var isWhole: Bool { offset == 0 && stride == columnCount }

  /// The number of elements.
  public var count: Int { rowCount * columnCount }

  /// The elements, row by row.
  public var elements: [Float] {
    (0..<rowCount).flatMap { row in
      values[(offset + row * stride)..<(offset + row * stride + columnCount)]
    }
  }

  /// Some of the columns.
  public func columns(_ range: Range<Int>) -> Matrix {
    precondition(range.upperBound <= columnCount, "columns \(range) of \(columnCount)")
    return Matrix(
      values, at: offset + range.lowerBound, rows: rowCount, columns: range.count, stride: stride)
  }

  /// Some of the rows.
  public func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.upperBound <= rowCount, "rows \(range) of \(rowCount)")
    return Matrix(
      values, at: offset + range.lowerBound * stride, rows: range.count, columns: columnCount,
      stride: stride)
  }

  /// Makes it a matrix of `rows` rows whose elements are anything at all.
  ///
  /// - Precondition: it is no part of another.
  public mutating func resize(rows: Int, columns: Int? = nil) {
    precondition(isWhole, "resizing a part of a matrix")
    columnCount = columns ?? columnCount
    stride = columnCount
    Kernels.grow(&values, to: rows * columnCount)
    rowCount = rows
  }

  /// Puts `count` times the rows one under the other.
  ///
  /// - Precondition: it is no part of another, and the count is positive.
  public mutating func repeatRows(_ count: Int) {
    precondition(isWhole && count > 0, "\(count) times a part of a matrix")
    let (once, all) = (self.count, count * self.count)
    if values.count < all {
      values.reserveCapacity(all)
      values += repeatElement(0, count: all - values.count)
    }
    values.withUnsafeMutableBufferPointer { memory in
      for copy in 1..<max(1, count) {
        _ = memory[(copy * once)...].update(from: memory[..<once])
      }
    }
    rowCount *= count
  }

  /// Sets every element to zero.
  ///
  /// - Precondition: it is no part of another.
  public mutating func clear() {
    precondition(isWhole, "clearing a part of a matrix")
    let used = 0..<count
    values.withUnsafeMutableBufferPointer { $0[used].update(repeating: 0) }
  }
}
