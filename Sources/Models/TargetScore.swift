// SPDX-License-Identifier: Apache-2.0

/// What a model says of one token that it was to predict.
public struct TargetScore: Hashable, Sendable {
  /// The token.
  public let token: Int32
  /// The natural logarithm of its probability.
  public let logProbability: Double
  /// The token that greedy decoding would choose in its place: the token itself if none is likelier, else
  /// the first of the likeliest; -1 where likelihoods are no numbers.
  public let likeliest: Int32

  /// Whether no token is likelier: greedy decoding would choose it here, unless it is one of several.
  public var isLikeliest: Bool { likeliest == token }

  /// A score of its parts.
  public init(token: Int32, logProbability: Double, likeliest: Int32) {
    self.token = token
    self.logProbability = logProbability
    self.likeliest = likeliest
  }
}
