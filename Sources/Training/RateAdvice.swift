// SPDX-License-Identifier: Apache-2.0

/// What the diagnostics say about the learning rate.
public struct RateAdvice: Hashable, Codable, Sendable {
  /// What is to be done.
  public enum Change: String, Codable, Sendable {
    /// The rate is too high: a warning.
    case lower
    /// Steps gain what they are predicted to gain, so that longer ones would gain more.
    case raise
  }

  /// What is to be done.
  public let change: Change
  /// The rate that there is.
  public let learningRate: Double
  /// The rate that is proposed, with two digits.
  public let proposal: Double
}

extension GradientDiagnostics {
  /// What is to be done about the learning rate, if the window says it beyond noise.
  ///
  /// Along an estimate of the gradient, a loss with curvature falls by a p - a^2 q / 2 at a rate of a,
  /// where a p is what is predicted. Relative to that, r = 1 - a q / 2p is measured; the fall is the
  /// largest at p / q = a / (2 (1 - r)), where r is 1/2. With r a quarter, at one and a half
  /// times the best rate, a change is worth a line; so it is at two thirds of it.
  public var advice: RateAdvice? {
    guard let rate = records.last?.learningRate, rate > 0 else { return nil }
    let figures = figures
    if figures.droppedCount + figures.notFiniteCount > figures.queryCount {
      return RateAdvice(.lower, of: rate, by: 0.1)
    }
    // All but the first of a version tell something of a trend.
    let lossCount = lossesByVersion.reduce(1) { $0 + max(0, $1.count - 1) }
    guard lossCount >= leastLossCount else { return nil }
    guard let ratio = figures.ratio else { return adviceWithoutPrediction(figures, rate) }
    let (least, most) = (
      ratio.value - certainty * ratio.error, ratio.value + certainty * ratio.error
    )
    if most < 0.25 { return RateAdvice(.lower, of: rate, by: 1 / (2 * (1 - ratio.value))) }
    guard least > 2.0 / 3, isGradientSeen(figures) else { return nil }
    return RateAdvice(.raise, of: rate, by: least < 1 ? min(3, 1 / (2 * (1 - least))) : 3)
  }

  /// Whether halves of batches agree beyond noise, where they are known.
  private func isGradientSeen(_ figures: Figures) -> Bool {
    figures.share.map { $0.value > certainty * $0.error } ?? (figures.squaredNorm ?? 0 > 0)
  }

  /// How far to go is then unknown: half a decade is a common step.
  private func adviceWithoutPrediction(_ figures: Figures, _ rate: Double) -> RateAdvice? {
    guard let decrease = figures.measuredDecrease, let error = figures.measuredDecreaseError,
      decrease + certainty * error < 0
    else { return nil }
    return RateAdvice(.lower, of: rate, by: 0.3)
  }
}

extension RateAdvice {
  fileprivate init(_ change: Change, of rate: Double, by factor: Double) {
    self.change = change
    learningRate = rate
    proposal = rounded(rate * factor, digits: 2)
  }
}

/// With fewer losses than that, noise cannot be told from a trend.
private let leastLossCount = 10
/// In standard errors; of a few points only, which two would be too few for.
private let certainty = 3.0
