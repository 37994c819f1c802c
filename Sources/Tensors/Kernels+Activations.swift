// SPDX-License-Identifier: Apache-2.0
//
// What a feed-forward part does between its matrices.
internal import CKernels

extension Kernels {
  /// y = silu(gate) up, where a row of `gateUp` is a row of gates, then one of ups.
  ///
  /// - Precondition: both are whole, and `gateUp` is twice as wide as y.
  public static func swiglu(_ gateUp: Matrix, into y: inout Matrix) {
    precondition(
      gateUp.columnCount == 2 * y.columnCount && gateUp.isWhole, "\(gateUp.shape) to \(y.shape)")
    y.resize(rows: gateUp.rowCount)
    tern_swiglu(y.rowCount, y.columnCount, gateUp.values, &y.values)
  }

  /// Replaces gates and ups by their gradients, given that of silu(gate) up, dy.
  ///
  /// - Precondition: as for the forward, and as many rows in both.
  public static func replaceBySwigluGradient(_ dy: Matrix, _ gateUp: inout Matrix) {
    precondition(
      gateUp.shape == [dy.rowCount, 2 * dy.columnCount] && gateUp.isWhole && dy.isWhole,
      "\(dy.shape) for \(gateUp.shape)")
    tern_swiglu_backward(dy.rowCount, dy.columnCount, dy.values, &gateUp.values)
  }

  /// GELU in its tanh form: y = x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
  ///
  /// D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016, section 2.
  ///
  /// - Precondition: both are whole and equally wide; y gets as many rows.
  public static func geluTanh(_ x: Matrix, into y: inout Matrix) {
    prepare(&y, for: x)
    tern_gelu_tanh(x.count, x.values, &y.values)
  }

  /// Replaces x by its gradient, given that of its GELU in tanh form, dy.
  ///
  /// - Precondition: both are whole and of the same shape.
  public static func replaceByGeluTanhGradient(_ dy: Matrix, _ x: inout Matrix) {
    check(dy, x)
    tern_gelu_tanh_backward(x.count, dy.values, &x.values)
  }

  /// GELU: y = x P(x), where P is the normal distribution; P is at most 1.5e-7 off.
  ///
  /// - Precondition: both are whole and equally wide; y gets as many rows.
  public static func gelu(_ x: Matrix, into y: inout Matrix) {
    prepare(&y, for: x)
    tern_gelu(x.count, x.values, &y.values)
  }

  /// Replaces x by its gradient, given that of its GELU, dy.
  ///
  /// - Precondition: both are whole and of the same shape.
  public static func replaceByGeluGradient(_ dy: Matrix, _ x: inout Matrix) {
    check(dy, x)
    tern_gelu_backward(x.count, dy.values, &x.values)
  }

  /// y = x where x is positive, else 0.
  ///
  /// - Precondition: both are whole and equally wide; y gets as many rows.
  public static func relu(_ x: Matrix, into y: inout Matrix) {
    prepare(&y, for: x)
    tern_relu(x.count, x.values, &y.values)
  }

  /// Replaces x by its gradient, given that of its positive part, dy.
  ///
  /// - Precondition: both are whole and of the same shape.
  public static func replaceByReluGradient(_ dy: Matrix, _ x: inout Matrix) {
    check(dy, x)
    tern_relu_backward(x.count, dy.values, &x.values)
  }

  private static func prepare(_ y: inout Matrix, for x: Matrix) {
    precondition(x.columnCount == y.columnCount && x.isWhole, "\(x.shape) into \(y.shape)")
    y.resize(rows: x.rowCount)
  }

  private static func check(_ dy: Matrix, _ x: Matrix) {
    precondition(dy.shape == x.shape && dy.isWhole && x.isWhole, "\(dy.shape) for \(x.shape)")
  }
}
