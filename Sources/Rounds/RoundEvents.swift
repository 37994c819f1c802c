// SPDX-License-Identifier: Apache-2.0
internal import Digests

extension RoundEngine {
  /// What happened.
  ///
  /// Events are journalled: their coded form is part of the run store's format.
  public enum Event: Codable, Equatable, Sendable {
    /// A worker connected, or connected anew.
    case joined(WorkerID)
    /// A worker's connection ended.
    case left(WorkerID)
    /// A contribution arrived; its payload is stored and was found valid.
    case contributed(Contribution)
    /// A worker cannot do its assignment.
    case failed(WorkerID, round: Int, reason: String)
    /// The round's contributions became a version, and the commit is stored.
    case aggregated(round: Int, version: Int)
    /// The round's contributions cannot become a version.
    case aggregationFailed(round: Int, reason: String)
    /// The coordinator came back: nobody is connected, and no earlier effect can be relied on.
    case restarted
    /// A requested time has come.
    case woke
    /// The operator ends the run.
    case stopped(reason: String)
  }

  /// What is to be done, in order.
  public enum Effect: Codable, Equatable, Sendable {
    /// Tell a worker what to learn. The same assignment may come again after a reconnection.
    case assign(Assignment)
    /// Tell a worker that its assignment is over.
    case release(WorkerID, round: Int, reason: ReleaseReason)
    /// Make the next version of these contributions, in the order of their workers.
    case aggregate(round: Int, [Contribution])
    /// Deliver `woke` at this time or soon after; replaces what was asked for before.
    case wake(at: RunTime)
    /// Tell a worker that its contribution is in the round.
    case accept(Contribution)
    /// Tell a worker that its contribution changed nothing.
    case refuse(Contribution, reason: DisregardReason)
    /// Log that an event changed nothing but a counter.
    case disregard(Event, reason: DisregardReason)
    /// Log that a round failed; without a time to retry at, the run fails with it.
    case abandon(round: Int, reason: String, retryAt: RunTime?)
    /// Nothing more will come.
    case finish(Outcome)
  }

  /// A worker's task in a round.
  public struct Assignment: Codable, Hashable, Sendable {
    /// The round, to be named in the contribution.
    public let round: Int
    /// Who is to learn.
    public let worker: WorkerID
    /// The version to learn from: what is learned depends on it, never on the round.
    public let baseVersion: Int
    /// When the round ends.
    public let deadline: RunTime
    /// The base version of the worker's last contribution that a commit was made of, if any.
    ///
    /// This, and no receipt, tells a worker whether what it sent has counted: a round may fail
    /// after a contribution was accepted.
    public let lastCountedVersion: Int?

    /// A task of `worker` in `round`.
    public init(
      round: Int, worker: WorkerID, baseVersion: Int, deadline: RunTime, lastCountedVersion: Int?
    ) {
      self.round = round
      self.worker = worker
      self.baseVersion = baseVersion
      self.deadline = deadline
      self.lastCountedVersion = lastCountedVersion
    }
  }

  /// Why a worker is released from its assignment.
  public enum ReleaseReason: String, Codable, Sendable {
    /// The round has what it needs.
    case enough
    /// The round came to its deadline with a quorum.
    case deadline
    /// The round failed; it may be retried under a new number.
    case roundFailed
    /// The run is over.
    case runEnded
  }

  /// Why an event changes nothing but a counter.
  public enum DisregardReason: String, Codable, CaseIterable, CodingKeyRepresentable, Sendable {
    /// The very contribution is in already.
    case duplicate
    /// The round is closed.
    case late
    /// No round has had this number.
    case unknownRound
    /// The worker has no assignment in the round.
    case unassigned
    /// It was learned from another version than the round's.
    case otherVersion
    /// The worker has given something else to the round before.
    case conflicting
    /// The worker has reported failure in the round before.
    case withdrawn
    /// The worker has not joined.
    case notJoined
    /// The round is not being aggregated.
    case notAggregating
    /// The run is over.
    case runEnded
  }

  /// How a run ended.
  public enum Outcome: Codable, Hashable, Sendable, CustomStringConvertible {
    /// Every version was made.
    case completed(version: Int)
    /// Too many rounds failed in a row.
    case failed(version: Int, reason: String)
    /// The operator ended it.
    case stopped(version: Int, reason: String)

    /// The last version made.
    public var version: Int {
      switch self {
      case .completed(let version), .failed(let version, _), .stopped(let version, _): version
      }
    }

    /// One line for a log.
    public var description: String {
      switch self {
      case .completed(let version): "completed with version \(version)"
      case .failed(let version, let reason): "failed at version \(version): \(reason)"
      case .stopped(let version, let reason): "stopped at version \(version): \(reason)"
      }
    }
  }
}
