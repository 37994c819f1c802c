// SPDX-License-Identifier: Apache-2.0

/// Sequences of tokens end to end, without padding, and what is to be predicted in them.
public struct TokenBatch: Hashable, Sendable {
  /// One prediction that counts.
  public struct Target: Hashable, Sendable {
    /// Index into the tokens: the token after which the prediction is made.
    public var position: Int
    /// The token that should follow.
    public var token: Int32

    /// The prediction of `token` after the token at index `position`.
    public init(position: Int, token: Int32) {
      self.position = position
      self.token = token
    }
  }

  /// The tokens of all sequences.
  public let tokens: [Int32]
  /// The number of tokens of each sequence.
  public let sequenceLengths: [Int]
  /// What is predicted, by ascending position; several may share one.
  public let targets: [Target]

  /// A batch.
  ///
  /// - Precondition: lengths are positive and sum up to the tokens; positions ascend, and each is
  ///   a token's.
  public init(tokens: [Int32], sequenceLengths: [Int], targets: [Target]) {
    precondition(
      sequenceLengths.allSatisfy { $0 > 0 } && sequenceLengths.reduce(0, +) == tokens.count,
      "sequences of \(sequenceLengths) in \(tokens.count) tokens")
    for (target, next) in zip(targets, targets.dropFirst()) {
      precondition(
        target.position <= next.position, "target at \(next.position) after \(target.position)")
    }
    precondition(
      (targets.first?.position ?? 0) >= 0 && (targets.last?.position ?? -1) < tokens.count,
      "targets to \(targets.last?.position ?? -1) in \(tokens.count) tokens")
    self.tokens = tokens
    self.sequenceLengths = sequenceLengths
    self.targets = targets
  }

  /// The batch of whole texts: of each sequence, every token from index `first` on is predicted.
  ///
  /// - Precondition: every sequence has a token; each `first` is positive.
  public init(sequences: [(tokens: [Int32], first: Int)]) {
    var targets: [Target] = []
    var start = 0
    for (tokens, first) in sequences {
      precondition(first > 0, "token \(first) follows nothing")
      for index in first..<max(first, tokens.count) {
        targets.append(Target(position: start + index - 1, token: tokens[index]))
      }
      start += tokens.count
    }
    self.init(
      tokens: sequences.flatMap(\.tokens), sequenceLengths: sequences.map(\.tokens.count),
      targets: targets)
  }
}
