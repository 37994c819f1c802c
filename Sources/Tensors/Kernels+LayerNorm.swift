// SPDX-License-Identifier: Apache-2.0
//
// Layer norm: J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", 2016.
internal import CKernels

extension Kernels {
  /// Layer norm: y = (x - m) r w + b with m = mean(x) and r = 1 / sqrt(mean((x - m)^2) + epsilon),
  /// row by row; keeps m and r of each row, one after the other.
  ///
  /// - Precondition: x is whole and has as many columns as `weight` and `bias` have values.
  public static func layerNormalize(
    _ x: Matrix, weight: [Float], bias: [Float], epsilon: Float, moments: inout [Float],
    into y: inout Matrix
  ) {
    check(x, weight, bias, y)
    y.resize(rows: x.rowCount)
    grow(&moments, to: 2 * x.rowCount)
    tern_layer_norm(
      x.rowCount, x.columnCount, epsilon, x.values, weight, bias, &moments, &y.values)
  }

  /// Layer norm with known moments: the same bits as the first time.
  ///
  /// - Precondition: as for the first time.
  public static func layerNormalizeAgain(
    _ x: Matrix, weight: [Float], bias: [Float], moments: [Float], into y: inout Matrix
  ) {
    check(x, weight, bias, y)
    precondition(moments.count >= 2 * x.rowCount, "\(moments.count) for \(x.rowCount) rows")
    y.resize(rows: x.rowCount)
    tern_layer_norm_again(
      x.rowCount, x.columnCount, x.values, weight, bias, moments, &y.values)
  }

  /// dx += the gradient of layer norm's input x, given that of its output, dy.
  ///
  /// - Precondition: all are whole and of the same shape.
  public static func addLayerNormalizeGradient(
    _ dy: Matrix, x: Matrix, weight: [Float], moments: [Float], to dx: inout Matrix
  ) {
    precondition(weight.count == x.columnCount && x.isWhole, "\(weight.count) for \(x.shape)")
    precondition(dy.shape == x.shape && dx.shape == x.shape, "\(dy.shape), \(x.shape), \(dx.shape)")
    precondition(dy.isWhole && dx.isWhole && moments.count >= 2 * x.rowCount, "parts of matrices")
    tern_layer_norm_backward(
      x.rowCount, x.columnCount, x.values, weight, moments, dy.values, &dx.values)
  }

  private static func check(_ x: Matrix, _ weight: [Float], _ bias: [Float], _ y: Matrix) {
    precondition(
      weight.count == x.columnCount && bias.count == x.columnCount && x.isWhole,
      "\(weight.count) weights and \(bias.count) biases for \(x.shape)")
    precondition(y.columnCount == x.columnCount && y.isWhole, "\(x.shape) into \(y.shape)")
  }
}
