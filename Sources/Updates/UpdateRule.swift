// SPDX-License-Identifier: Apache-2.0

/// What the losses of a query say about the gradient: a scalar for its direction.
public struct ProjectedGradient: Hashable, Codable, Sendable {
  /// The query.
  public let query: UInt32
  /// The scalar, in the estimator's units.
  public var value: Double

  /// A scalar by its parts.
  public init(query: UInt32, value: Double) {
    self.query = query
    self.value = value
  }
}

/// How an estimate of the gradient becomes a step, by the names of the field.
public enum UpdateRule: Hashable, Codable, Sendable {
  /// ZO-SGD: against the gradient.
  case sgd
  /// ZO-SGD-Sign: each scalar counts as 1, -1 or 0.
  case sign
  /// ZO-SGD with momentum: v = beta v + g, and against v. Every replica keeps v.
  case momentum(beta: Double)
  /// ZO-Adam: Adam, of which every replica keeps the moments.
  case adam(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8)

  /// Whether replicas keep more than the adapter.
  public var hasState: Bool {
    switch self {
    case .sgd, .sign: false
    case .momentum, .adam: true
    }
  }

  /// The step for the mean over some scalars, each times its direction.
  public func step(
    _ step: UInt32, for scalars: [ProjectedGradient], learningRate: Double
  ) -> DirectionStep {
    let count = Double(scalars.count)
    let terms = scalars.map { scalar in
      let coefficient: Double
      switch self {
      case .sgd: coefficient = -learningRate * scalar.value / count
      case .sign: coefficient = -learningRate * sign(of: scalar.value) / count
      case .momentum, .adam: coefficient = scalar.value / count
      }
      return DirectionTerm(query: scalar.query, coefficient: Float(coefficient))
    }
    return DirectionStep(step: step, terms: terms, rate: hasState ? Float(learningRate) : nil)
  }

  /// The sizes of the scalars that a step was made of, as far as its rounded coefficients tell.
  func sizes(of step: DirectionStep, learningRate: Double) -> [Double] {
    let scale = Double(step.terms.count) / (hasState ? 1 : learningRate)
    return step.terms.map { abs(Double($0.coefficient)) * scale }
  }

  private func sign(of value: Double) -> Double { value > 0 ? 1 : value < 0 ? -1 : 0 }
}
