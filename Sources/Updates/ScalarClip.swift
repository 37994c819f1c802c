// SPDX-License-Identifier: Apache-2.0

/// Shortens scalars that are much larger than those before them.
///
/// The limit is 1.3 times the 95th percentile of the sizes of the last 50 scalars other than zero, as
/// they were after clipping and rounding, and there is none before 20: a pure function of the steps that
/// were taken, so that whoever has those has the limit.
public struct ScalarClip: Hashable, Codable, Sendable {
  private var recent: [Double] = []

  /// A clip that has seen nothing.
  public init() {}

  /// The largest size that a scalar may have now; nil for any.
  public var limit: Double? {
    guard recent.count >= leastCount else { return nil }
    // The nearest rank: the least of them that 95 % do not exceed.
    let rank = (95 * recent.count + 99) / 100
    return factor * recent.sorted()[rank - 1]
  }

  /// Shortens the scalars of a step that exceed the limit.
  ///
  /// - Returns: how many were shortened.
  public func clip(_ scalars: inout [ProjectedGradient]) -> Int {
    guard let limit else { return 0 }
    var clippedCount = 0
    for index in scalars.indices where abs(scalars[index].value) > limit {
      scalars[index].value = scalars[index].value < 0 ? -limit : limit
      clippedCount += 1
    }
    return clippedCount
  }

  /// Remembers a step that `rule` made with `learningRate`: its scalars, as the step has them.
  public mutating func note(_ step: DirectionStep, by rule: UpdateRule, learningRate: Double) {
    guard learningRate > 0 else { return }
    // Zeros, of which an objective that counts gives many, say nothing about sizes: a limit of zero
    // would never rise again.
    recent += rule.sizes(of: step, learningRate: learningRate).filter { $0.isFinite && $0 != 0 }
    recent.removeFirst(max(0, recent.count - windowLength))
  }
}

private let windowLength = 50
private let leastCount = 20
private let factor = 1.3
