// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens (or rows with targets), I inputs, O outputs, K ranks of the site.
internal import Tensors

extension FrozenLinear {
  /// y = x W^T + bias, of each of `partCount` parts of the rows by itself.
  func forward(
    _ x_TI: Matrix, partCount: Int, tile: inout TileRoom, into y_TO: inout Matrix
  ) {
    y_TO.resize(rows: x_TI.rowCount)
    multiply(x_TI, partCount: partCount, tile: &tile, into: &y_TO)
    addBias(to: &y_TO)
  }

  /// y = x W^T, from row `firstRow` of y on.
  func multiply(
    _ x_TI: Matrix, partCount: Int = 1, tile: inout TileRoom, into y_TO: inout Matrix,
    firstRow: Int = 0
  ) {
    if isStoredTransposed {
      weights.multiplyTransposed(
        x_TI, partCount: partCount, into: &y_TO, firstRow: firstRow, in: &tile)
    } else {
      weights.multiply(x_TI, partCount: partCount, into: &y_TO, firstRow: firstRow, in: &tile)
    }
  }

  /// y += bias, if there is one.
  func addBias(to y_TO: inout Matrix) {
    if let bias { Kernels.add(bias, toRowsOf: &y_TO) }
  }

  /// Adds the adapter's gradient to `gradient` and, if asked for, computes the input's.
  ///
  /// - Parameter x_TI: the input, looked at only if A is learned.
  func backward(
    _ dy_TO: Matrix, x x_TI: Matrix, lowered u_TK: Matrix, _ adapter: SiteAdapter?,
    _ parameters: [Float], inputGradient: Bool, lowered du_TK: inout Matrix,
    tile: inout TileRoom, into dx_TI: inout Matrix, addingTo gradient: inout [Float]
  ) {
    if inputGradient {
      dx_TI.resize(rows: dy_TO.rowCount)
      if isStoredTransposed {
        weights.multiply(dy_TO, into: &dx_TI, in: &tile)
      } else {
        weights.multiplyTransposed(dy_TO, into: &dx_TI, in: &tile)
      }
    }
    guard let adapter else { return }
    adapter.addGradientOfB(dy_TO, u_TK, to: &gradient)
    guard adapter.learnsA || inputGradient else { return }
    adapter.raise(dy_TO, parameters, into: &du_TK)
    if adapter.learnsA { adapter.addGradientOfA(du_TK, x_TI, to: &gradient) }
    if inputGradient { adapter.addInputGradient(du_TK, parameters, to: &dx_TI) }
  }
}
