// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Tensors

/// A frozen norm of rows: RMSNorm, or layer norm where there is a bias.
///
/// Its statistics are what the backward pass needs to know of each row, so many numbers a row.
struct FrozenNorm: Sendable {
  private let weight_C: [Float]
  private let bias_C: [Float]?
  private let epsilon: Float

  /// How many numbers are kept of each row.
  var statisticCount: Int { bias_C == nil ? 1 : 2 }

  /// The norm called `name`.
  init(_ checkpoint: Checkpoint, _ name: String) throws(CheckpointError) {
    let configuration = checkpoint.configuration
    weight_C = try checkpoint.floats(of: "\(name).weight")
    bias_C =
      configuration.architecture.norm == .layer ? try checkpoint.floats(of: "\(name).bias") : nil
    epsilon = configuration.normEpsilon
  }

  /// y = norm(x).
  func forward(_ x: Matrix, statistics: inout [Float], into y: inout Matrix) {
    if let bias_C {
      Kernels.layerNormalize(
        x, weight: weight_C, bias: bias_C, epsilon: epsilon, moments: &statistics, into: &y)
    } else {
      Kernels.normalize(
        x, weight: weight_C, epsilon: epsilon, reciprocals: &statistics, into: &y)
    }
  }

  /// y once more, with the same bits.
  func again(_ x: Matrix, statistics: [Float], into y: inout Matrix) {
    if let bias_C {
      Kernels.layerNormalizeAgain(
        x, weight: weight_C, bias: bias_C, moments: statistics, into: &y)
    } else {
      Kernels.normalizeAgain(x, weight: weight_C, reciprocals: statistics, into: &y)
    }
  }

  /// dx += the gradient of x, given that of y.
  func addGradient(_ dy: Matrix, x: Matrix, statistics: [Float], to dx: inout Matrix) {
    if bias_C == nil {
      Kernels.addNormalizeGradient(
        dy, x: x, weight: weight_C, reciprocals: statistics, to: &dx)
    } else {
      Kernels.addLayerNormalizeGradient(dy, x: x, weight: weight_C, moments: statistics, to: &dx)
    }
  }
}
