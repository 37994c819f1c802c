// SPDX-License-Identifier: Apache-2.0
//
// Matrix products. BLAS is called here and in AttentionProducts.swift alone. Pointers are valid in
// the closure that gives them; each shape is checked before BLAS sees it.
internal import COpenBLAS

extension Kernels {
  /// BLAS computes on the thread that calls it: threads are the caller's, above whole tasks.
  static let useOneThread: Void = openblas_set_num_threads(1)

  /// y = scale x w^T, or y += scale x w^T; `columns` and `firstRow` say where in y this is.
  ///
  /// - Precondition: x is [n, k], w is [m, k], and y has n such rows and m such columns.
  public static func multiply(
    _ x: Matrix, transposed w: Matrix, scale: Float = 1, into y: inout Matrix,
    columns: Range<Int>? = nil, firstRow: Int = 0, adding: Bool = false
  ) {
    w.withRows { w in
      multiply(
        x, transposed: w, scale: scale, into: &y, columns: columns, firstRow: firstRow,
        adding: adding)
    }
  }

  /// The same with a matrix that lies anywhere.
  public static func multiply(
    _ x: Matrix, transposed w: BorrowedMatrix, scale: Float = 1, into y: inout Matrix,
    columns: Range<Int>? = nil, firstRow: Int = 0, adding: Bool = false
  ) {
    precondition(x.columnCount == w.columnCount, "\(x.shape) times the transpose of \(w.shape)")
    product(
      x, w, rightIsTransposed: true, outputs: w.rowCount, scale: scale, into: &y,
      columns: columns ?? 0..<y.columnCount, firstRow: firstRow, adding: adding)
  }

  /// y = scale x w, or y += scale x w; `columns` and `firstRow` say where in y this is.
  ///
  /// - Precondition: x is [n, k], w is [k, m], and y has n such rows and m such columns.
  public static func multiply(
    _ x: Matrix, _ w: Matrix, scale: Float = 1, into y: inout Matrix,
    columns: Range<Int>? = nil, firstRow: Int = 0, adding: Bool = false
  ) {
    w.withRows { w in
      multiply(
        x, w, scale: scale, into: &y, columns: columns, firstRow: firstRow, adding: adding)
    }
  }

  /// The same with a matrix that lies anywhere.
  public static func multiply(
    _ x: Matrix, _ w: BorrowedMatrix, scale: Float = 1, into y: inout Matrix,
    columns: Range<Int>? = nil, firstRow: Int = 0, adding: Bool = false
  ) {
    precondition(x.columnCount == w.rowCount, "\(x.shape) times \(w.shape)")
    product(
      x, w, rightIsTransposed: false, outputs: w.columnCount, scale: scale, into: &y,
      columns: columns ?? 0..<y.columnCount, firstRow: firstRow, adding: adding)
  }

  /// target += scale x^T y, where the target is the [k, m] matrix at `offset` in `vector`.
  ///
  /// - Precondition: x is [n, k], y is [n, m], and all of the target lies in the vector.
  public static func addProduct(
    transposed x: Matrix, _ y: Matrix, scale: Float, to vector: inout [Float], at offset: Int
  ) {
    precondition(x.rowCount == y.rowCount, "the transpose of \(x.shape) times \(y.shape)")
    let end = offset + x.columnCount * y.columnCount
    precondition(offset >= 0 && end <= vector.count, "\(offset)..<\(end) of \(vector.count) values")
    guard x.rowCount > 0 else { return }
    useOneThread
    x.withPointer { xPointer in
      y.withPointer { yPointer in
        vector.withUnsafeMutableBufferPointer { target in
          guard let base = target.baseAddress else { return }
          cblas_sgemm(
            CblasRowMajor, CblasTrans, CblasNoTrans, Int32(x.columnCount), Int32(y.columnCount),
            Int32(x.rowCount), scale, xPointer, Int32(x.stride), yPointer, Int32(y.stride), 1,
            base + offset, Int32(y.columnCount))
        }
      }
    }
  }

  private static func product(
    _ x: Matrix, _ w: BorrowedMatrix, rightIsTransposed: Bool, outputs: Int, scale: Float,
    into y: inout Matrix, columns: Range<Int>, firstRow: Int, adding: Bool
  ) {
    precondition(
      firstRow >= 0 && firstRow + x.rowCount <= y.rowCount && columns.count == outputs
        && columns.upperBound <= y.columnCount,
      "\(x.shape) times \(w.shape) into row \(firstRow), columns \(columns) of \(y.shape)")
    guard x.rowCount > 0 else { return }
    useOneThread
    let (offset, stride) = (y.offset + firstRow * y.stride + columns.lowerBound, Int32(y.stride))
    x.withPointer { xPointer in
      y.values.withUnsafeMutableBufferPointer { target in
        guard let base = target.baseAddress else { return }
        cblas_sgemm(
          CblasRowMajor, CblasNoTrans, rightIsTransposed ? CblasTrans : CblasNoTrans,
          Int32(x.rowCount), Int32(outputs), Int32(x.columnCount), scale, xPointer,
          Int32(x.stride), w.start, Int32(w.stride), adding ? 1 : 0, base + offset, stride)
      }
    }
  }
}

/// The floats of a matrix, row-major, wherever they lie; for the call that it is handed to.
public struct BorrowedMatrix {
  let start: UnsafePointer<Float>
  let stride: Int
  /// The number of rows.
  public let rowCount: Int
  /// The number of columns.
  public let columnCount: Int

  /// The matrix whose rows lie end to end in `values`; nil when there are none.
  ///
  /// - Precondition: they are as many as the rows have columns.
  public init?(_ values: UnsafeBufferPointer<Float>, columns: Int) {
    precondition(
      columns > 0 && values.count.isMultiple(of: columns), "\(values.count) in \(columns) columns")
    guard let start = values.baseAddress, !values.isEmpty else { return nil }
    self.init(start: start, stride: columns, rows: values.count / columns, columns: columns)
  }

  fileprivate init(start: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int) {
    self.start = start
    self.stride = stride
    rowCount = rows
    columnCount = columns
  }

  fileprivate var shape: [Int] { [rowCount, columnCount] }
}

extension Matrix {
  /// Calls `body` with the matrix where it lies, unless it has no element.
  fileprivate func withRows(_ body: (BorrowedMatrix) -> Void) {
    withPointer {
      body(BorrowedMatrix(start: $0, stride: stride, rows: rowCount, columns: columnCount))
    }
  }

  /// The extents, for messages.
  var shape: [Int] { [rowCount, columnCount] }

  /// Calls `body` with the address of the first element, unless there is none.
  func withPointer(_ body: (UnsafePointer<Float>) -> Void) {
    values.withUnsafeBufferPointer { buffer in
      if let base = buffer.baseAddress { body(base + offset) }
    }
  }
}
