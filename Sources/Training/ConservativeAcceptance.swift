// SPDX-License-Identifier: Apache-2.0
public import Updates

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

extension DirectionStep {
  /// The step back to where this one comes from, as far as sums are exact; for a step without rate.
  var opposite: DirectionStep {
    DirectionStep(
      step: step,
      terms: terms.map { DirectionTerm(query: $0.query, coefficient: -$0.coefficient) })
  }

  /// No step at all.
  var nothing: DirectionStep { DirectionStep(step: step, terms: []) }
}
