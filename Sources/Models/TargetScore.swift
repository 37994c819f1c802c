// SPDX-License-Identifier: Apache-2.0

/// What a model says of one token that it was to predict.
public struct TargetScore: Hashable, Sendable {
  /// The natural logarithm of the token's probability.
  public let logProbability: Double
  /// Whether no token is likelier: greedy decoding would choose it here, unless it is one of several.
  public let isLikeliest: Bool

  /// A score of its parts.
  public init(logProbability: Double, isLikeliest: Bool) {
    self.logProbability = logProbability
    self.isLikeliest = isLikeliest
  }
}
