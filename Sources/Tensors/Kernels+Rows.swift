// SPDX-License-Identifier: Apache-2.0
//
// Kernels that go through a matrix row by row. R rows, C columns, H heads.
internal import CKernels

extension Kernels {
  /// y += x, element by element.
  ///
  /// - Precondition: both are whole and of the same shape.
  public static func add(_ x: Matrix, to y: inout Matrix) {
    precondition(x.shape == y.shape && x.isWhole && y.isWhole, "\(x.shape) added to \(y.shape)")
    tern_axpy(x.count, 1, x.values, &y.values)
  }

  /// y = x; y gets as many rows.
  ///
  /// - Precondition: both are whole and equally wide.
  public static func copy(_ x: Matrix, into y: inout Matrix) {
    precondition(x.columnCount == y.columnCount && x.isWhole, "\(x.shape) into \(y.shape)")
    y.resize(rows: x.rowCount)
    tern_copy_rows(x.rowCount, x.columnCount, 1, x.values, x.stride, &y.values, y.stride)
  }

  /// Every row of y += `bias`.
  ///
  /// - Precondition: y is whole, and has as many columns as `bias` has values.
  public static func add(_ bias: [Float], toRowsOf y: inout Matrix) {
    precondition(bias.count == y.columnCount && y.isWhole, "\(bias.count) biases for \(y.shape)")
    tern_add_to_rows(y.rowCount, y.columnCount, bias, &y.values)
  }

  /// Row i of y = row `indices[i]` of x; y gets as many rows as there are indices.
  ///
  /// - Precondition: both are whole, equally wide, and x has the rows.
  public static func gather(_ indices: [Int32], of x: Matrix, into y: inout Matrix) {
    y.resize(rows: indices.count)
    check(indices, of: x, y)
    tern_gather_rows(indices.count, x.columnCount, indices, x.values, &y.values)
  }

  /// Row i of y += row `indices[i]` of x.
  ///
  /// - Precondition: both are whole, equally wide, and x has the rows.
  public static func add(_ indices: [Int32], of x: Matrix, to y: inout Matrix) {
    check(indices, of: x, y)
    tern_gather_add_rows(indices.count, x.columnCount, indices, x.values, &y.values)
  }

  /// Row `indices[i]` of y = row i of x; the other rows of y, of which it gets `rows`, are zero.
  ///
  /// - Precondition: both are whole and equally wide, and indices are distinct and below `rows`.
  public static func scatter(_ x: Matrix, to indices: [Int32], rows: Int, into y: inout Matrix) {
    y.resize(rows: rows)
    check(indices, of: y, x)
    y.clear()
    tern_scatter_rows(indices.count, x.columnCount, indices, x.values, &y.values)
  }

  /// RMSNorm: y = x r w with r = 1 / sqrt(mean(x^2) + epsilon), row by row; keeps r.
  ///
  /// - Precondition: x is whole and has as many columns as `weight` has values.
  public static func normalize(
    _ x: Matrix, weight: [Float], epsilon: Float, reciprocals: inout [Float], into y: inout Matrix
  ) {
    precondition(weight.count == x.columnCount && x.isWhole, "\(weight.count) for \(x.shape)")
    precondition(y.columnCount == x.columnCount && y.isWhole, "\(x.shape) into \(y.shape)")
    y.resize(rows: x.rowCount)
    grow(&reciprocals, to: x.rowCount)
    tern_rms_norm(
      x.rowCount, 1, x.columnCount, x.stride, y.stride, epsilon, x.values, weight, &reciprocals,
      &y.values)
  }

  /// RMSNorm with known reciprocals: the same bits as the first time.
  ///
  /// - Precondition: as for the first time.
  public static func normalizeAgain(
    _ x: Matrix, weight: [Float], reciprocals: [Float], into y: inout Matrix
  ) {
    precondition(weight.count == x.columnCount && x.isWhole, "\(weight.count) for \(x.shape)")
    precondition(y.columnCount == x.columnCount && y.isWhole, "\(x.shape) into \(y.shape)")
    precondition(reciprocals.count >= x.rowCount, "\(reciprocals.count) for \(x.rowCount) rows")
    y.resize(rows: x.rowCount)
    tern_rms_norm_again(
      x.rowCount, 1, x.columnCount, x.stride, y.stride, x.values, weight, reciprocals, &y.values)
  }

  /// dx += the gradient of RMSNorm's input x, given that of its output, dy.
  ///
  /// - Precondition: all are whole and of the same shape.
  public static func addNormalizeGradient(
    _ dy: Matrix, x: Matrix, weight: [Float], reciprocals: [Float], to dx: inout Matrix
  ) {
    precondition(weight.count == x.columnCount && x.isWhole, "\(weight.count) for \(x.shape)")
    precondition(dy.shape == x.shape && dx.shape == x.shape, "\(dy.shape), \(x.shape), \(dx.shape)")
    precondition(dy.isWhole && dx.isWhole && reciprocals.count >= x.rowCount, "parts of matrices")
    tern_rms_norm_backward(
      x.rowCount, 1, x.columnCount, x.stride, dy.stride, dx.stride, 1, x.values, weight,
      reciprocals, dy.values, &dx.values)
  }

  /// e^x for each value; 0 below -87, e^88 above 88; at most 2 units in the last place off.
  public static func exponentials(of x: [Float]) -> [Float] {
    var y = [Float](repeating: 0, count: x.count)
    tern_exp(x.count, x, &y)
    return y
  }

  /// Makes room for `count` values, which may be anything, in the memory that is reserved if that is
  /// enough, without ever giving any back.
  public static func grow<Number: Numeric>(_ values: inout [Number], to count: Int) {
    guard values.count < count else { return }
    if values.capacity < count {
      values = [Number](repeating: 0, count: count)
    } else {
      values.append(contentsOf: repeatElement(0, count: count - values.count))
    }
  }

  private static func check(_ indices: [Int32], of x: Matrix, _ y: Matrix) {
    precondition(x.isWhole && y.isWhole && x.columnCount == y.columnCount, "\(x.shape), \(y.shape)")
    precondition(y.rowCount == indices.count, "\(indices.count) indices for \(y.shape)")
    for index in indices {
      precondition(index >= 0 && index < x.rowCount, "row \(index) of \(x.rowCount)")
    }
  }
}
