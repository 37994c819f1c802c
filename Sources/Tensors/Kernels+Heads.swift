// SPDX-License-Identifier: Apache-2.0
//
// Kernels that go through the first `headCount` heads of each row of a matrix, in place.
internal import CKernels

extension Kernels {
  /// Turns the first heads of each row by the angles of its position, or back.
  ///
  /// Element i of a head pairs with element i + width/2. Turning back is also the gradient.
  ///
  /// - Precondition: x is whole and has these heads, and the table has these positions.
  public static func rotate(
    _ x: inout Matrix, headCount: Int, positions: [Int32], table: RotaryTable, back: Bool = false
  ) {
    let half = table.frequencies.count
    precondition(2 * half * headCount <= x.columnCount && x.isWhole, "\(headCount) of \(x.shape)")
    precondition(positions.count == x.rowCount, "\(positions.count) positions for \(x.shape)")
    for position in positions {
      precondition(
        position >= 0 && position < table.positionCount,
        "position \(position) of \(table.positionCount)")
    }
    tern_rotate(
      x.rowCount, headCount, half, x.stride, positions, table.cosines, table.sines, back ? 1 : 0,
      &x.values)
  }

  /// RMSNorm of each of some heads of x, `heads` of them from column `column` on, in place.
  ///
  /// - Precondition: x is whole and has these heads, each as wide as `weight` has values.
  public static func normalizeHeads(
    of x: inout Matrix, from column: Int, heads: Int, weight: [Float], epsilon: Float,
    reciprocals: inout [Float]
  ) {
    checkHeads(of: x, from: column, heads: heads, width: weight.count)
    grow(&reciprocals, to: x.rowCount * heads)
    let (rows, stride) = (x.rowCount, x.stride)
    x.values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      tern_rms_norm(
        rows, heads, weight.count, stride, stride, epsilon, base + column, weight, &reciprocals,
        base + column)
    }
  }

  /// Replaces gradients of normalised heads by those of the heads before, x.
  ///
  /// - Precondition: as for the forward, for dy and x.
  public static func replaceByNormalizeHeadsGradient(
    _ dy: inout Matrix, x: Matrix, from column: Int, heads: Int, weight: [Float],
    reciprocals: [Float]
  ) {
    checkHeads(of: x, from: column, heads: heads, width: weight.count)
    checkHeads(of: dy, from: column, heads: heads, width: weight.count)
    precondition(
      dy.rowCount == x.rowCount && reciprocals.count >= x.rowCount * heads,
      "\(dy.shape) for \(x.shape), \(reciprocals.count) reciprocals")
    let (rows, stride) = (dy.rowCount, dy.stride)
    x.withPointer { xPointer in
      dy.values.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        tern_rms_norm_backward(
          rows, heads, weight.count, x.stride, stride, stride, 0, xPointer + column, weight,
          reciprocals, base + column, base + column)
      }
    }
  }

  private static func checkHeads(of x: Matrix, from column: Int, heads: Int, width: Int) {
    precondition(
      x.isWhole && column >= 0 && column + heads * width <= x.columnCount,
      "\(heads) heads of \(width) from column \(column) of \(x.shape)")
  }
}
