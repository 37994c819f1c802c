// SPDX-License-Identifier: Apache-2.0
//
// Matrix products. BLAS is called here and in Kernels+Attention.swift alone. Pointers are valid in
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
    _ x: Matrix, _ w: Matrix, rightIsTransposed: Bool, outputs: Int, scale: Float,
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
      w.withPointer { wPointer in
        y.values.withUnsafeMutableBufferPointer { target in
          guard let base = target.baseAddress else { return }
          cblas_sgemm(
            CblasRowMajor, CblasNoTrans, rightIsTransposed ? CblasTrans : CblasNoTrans,
            Int32(x.rowCount), Int32(outputs), Int32(x.columnCount), scale, xPointer,
            Int32(x.stride), wPointer, Int32(w.stride), adding ? 1 : 0, base + offset, stride)
        }
      }
    }
  }
}

extension Matrix {
  /// The extents, for messages.
  var shape: [Int] { [rowCount, columnCount] }

  /// Calls `body` with the address of the first element, unless there is none.
  func withPointer(_ body: (UnsafePointer<Float>) -> Void) {
    values.withUnsafeBufferPointer { buffer in
      if let base = buffer.baseAddress { body(base + offset) }
    }
  }
}
