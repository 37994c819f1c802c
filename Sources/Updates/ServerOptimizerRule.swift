// SPDX-License-Identifier: Apache-2.0

/// How the server steps along a mean update.
///
/// S. Reddi et al., "Adaptive Federated Optimization", 2021, algorithm 2: with the mean update d,
/// m = beta1 m + (1 - beta1) d, and x = x + learningRate m / (sqrt(v) + tau). There is no
/// correction of bias; v starts at tau squared.
public enum ServerOptimizerRule: Hashable, Codable, Sendable {
  /// m = momentum m + d; x = x + learningRate m. Without momentum, plain averaging has rate 1.
  case sgd(learningRate: Double = 1, momentum: Double = 0)
  /// v = beta2 v + (1 - beta2) d^2.
  case adam(
    learningRate: Double = 0.01, beta1: Double = 0.9, beta2: Double = 0.99, tau: Double = 1e-3)
  /// v = v - (1 - beta2) d^2 sign(v - d^2).
  case yogi(
    learningRate: Double = 0.01, beta1: Double = 0.9, beta2: Double = 0.99, tau: Double = 1e-3)
  /// v = v + d^2, and m = d.
  case adagrad(learningRate: Double = 0.01, tau: Double = 1e-3)

  /// Whether the rule's numbers are in their ranges: rates positive and finite, momentum and betas
  /// in [0, 1), tau positive.
  public var isValid: Bool {
    switch self {
    case .sgd(let learningRate, let momentum):
      isPositive(learningRate) && (0..<1).contains(momentum)
    case .adam(let learningRate, let beta1, let beta2, let tau),
      .yogi(let learningRate, let beta1, let beta2, let tau):
      isPositive(learningRate) && (0..<1).contains(beta1) && (0..<1).contains(beta2)
        && isPositive(tau)
    case .adagrad(let learningRate, let tau):
      isPositive(learningRate) && isPositive(tau)
    }
  }

  private func isPositive(_ number: Double) -> Bool { number > 0 && number.isFinite }
}
