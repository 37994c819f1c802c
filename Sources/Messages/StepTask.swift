// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Rounds

/// A task of a step: which queries to evaluate, and what led to the version to evaluate them at.
public struct StepTask: Hashable, Sendable {
  /// The step, which is part of the directions' address.
  public let step: Int
  /// The version to evaluate at: that of the last commit, or of the history.
  public let baseVersion: Int
  /// The queries; at least one.
  public let queries: Range<Int>
  /// Which way along their directions; other than both only in a run that splits signs.
  public let signs: Signs
  /// The time until the deadline; the clocks of two machines differ.
  public let remaining: Duration
  /// The records of the versions after the one that the worker holds, in order.
  public let commits: [[UInt8]]
  /// The way to `baseVersion` where that is more than a few commits.
  public let history: AdapterDelivery?

  /// A task of `step`; a deadline that has passed leaves no time, not less than none.
  public init(
    step: Int, baseVersion: Int, queries: Range<Int>, signs: Signs = .both,
    remaining: Duration, commits: [[UInt8]] = [], history: AdapterDelivery? = nil
  ) {
    self.step = step
    self.baseVersion = baseVersion
    self.queries = queries
    self.signs = signs
    self.remaining = max(.zero, remaining)
    self.commits = commits
    self.history = history
  }
}

/// The answer to a task of a step: losses, as the run's estimator asks for them.
public struct LossReport: Hashable, Sendable {
  /// The step.
  public let step: Int
  /// The version that they were evaluated at.
  public let baseVersion: Int
  /// The first of the task's queries.
  public let firstQuery: Int
  /// The losses, which may be infinite or no numbers: that with the adapter itself if the estimator
  /// asks for it, then for each query along its direction and, if it asks for that, against it; those
  /// of one sign alone where the task says so.
  public let losses: [Double]
  /// How many examples they are the mean over: their weight among those with the same queries.
  public let exampleCount: Int
  /// How many tokens were run through the model.
  public let tokenCount: Int
  /// The digest of the adapter at the version that is due to be compared; nil at others.
  public let state: Digest?

  /// An answer to a task of `step`.
  public init(
    step: Int, baseVersion: Int, firstQuery: Int, losses: [Double], exampleCount: Int,
    tokenCount: Int, state: Digest? = nil
  ) {
    self.step = step
    self.baseVersion = baseVersion
    self.firstQuery = firstQuery
    self.losses = losses
    self.exampleCount = exampleCount
    self.tokenCount = tokenCount
    self.state = state
  }
}
