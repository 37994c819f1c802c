// SPDX-License-Identifier: Apache-2.0

/// What a step of zeroth-order training does to the adapter: it is all that a replica needs.
///
/// Coefficients are computed once, in double precision, by whoever has the scalars, and rounded once;
/// every replica adds them in this order.
public struct DirectionStep: Hashable, Codable, Sendable {
  /// The step.
  public let step: UInt32
  /// The directions, and what they are multiplied with.
  ///
  /// Without a rate their sum is what is added to
  /// the adapter; with one it is the estimated gradient. A query that was dropped is not among them;
  /// one whose scalar is zero is.
  public let terms: [DirectionTerm]
  /// The learning rate, for a rule that makes more of the gradient than a multiple.
  public let rate: Float?

  /// A step by its parts.
  public init(step: UInt32, terms: [DirectionTerm], rate: Float? = nil) {
    self.step = step
    self.terms = terms
    self.rate = rate
  }

  /// The step back to where this one comes from, as far as sums are exact; for a step without rate.
  var opposite: DirectionStep {
    DirectionStep(
      step: step,
      terms: terms.map { DirectionTerm(query: $0.query, coefficient: -$0.coefficient) })
  }

  /// No step at all.
  var nothing: DirectionStep { DirectionStep(step: step, terms: []) }
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
  var hasState: Bool {
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

  private func sign(of value: Double) -> Double { value > 0 ? 1 : value < 0 ? -1 : 0 }
}

/// Which of three losses of the same batch is the least (ZO-SGD-Cons): that of the adapter, of the
/// adapter after a step, or after the opposite step.
public enum ConservativeAcceptance {
  /// The step to be taken: `step`, its opposite, or none.
  ///
  /// Ties and losses that are not finite are for
  /// staying where one is.
  ///
  /// - Precondition: the step has no rate.
  public static func accepted(
    _ step: DirectionStep, current: Double, after: Double, afterOpposite: Double
  ) -> DirectionStep {
    precondition(step.rate == nil, "conservative acceptance of a step with a rate")
    var (best, least) = (step.nothing, current.isFinite ? current : .infinity)
    if after < least { (best, least) = (step, after) }
    if afterOpposite < least { best = step.opposite }
    return best
  }
}
