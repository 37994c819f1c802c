// SPDX-License-Identifier: Apache-2.0
internal import Digests
public import Randomness

/// Synchronous rounds: who learns when, which contributions count, and when a version is made.
///
/// A pure value. It takes events with their times and returns what is to be done; it reads no
/// clock and no global generator, so that the fold of a journal is the engine that wrote it.
/// What is learned depends on the base version alone, so a retried round (which has a new number)
/// and a repeated assignment give the same bits.
public struct RoundEngine: Codable, Equatable, Sendable {
  /// What the rounds are held by.
  public let rules: RoundRules
  /// How many commits have been made.
  public internal(set) var version = 0
  /// What has been counted so far.
  public internal(set) var statistics = RoundStatistics()

  var phase: Phase
  /// Who is here, since when.
  var connected: [WorkerID: RunTime] = [:]
  /// Each worker's last contribution that a commit was made of: its receipt can be repeated.
  var counted: [WorkerID: Contribution] = [:]
  var nextRound = 1
  var failedRoundsInARow = 0
  /// The time of the last event; time never goes back, even if clocks do.
  public internal(set) var now: RunTime
  var requestedWake: RunTime?
  var generator: RandomStream

  enum Phase: Codable, Equatable, Sendable {
    case gathering(since: RunTime)
    case resting(until: RunTime)
    case training(OpenRound)
    case aggregating(ClosedRound)
    case finished(Outcome)
  }

  /// The last time an event may have, half way to where 64 bits of nanoseconds end: the year 2116.
  static let horizon = RunTime(nanoseconds: .max / 2)

  /// A run at its beginning, with nobody there.
  ///
  /// - Throws: The first rule that is out of its range.
  public init(rules: RoundRules, seed: Seed, at now: RunTime) throws(RoundError) {
    self.rules = try rules.validated()
    self.now = min(now, Self.horizon)
    self.phase = .gathering(since: self.now)
    self.generator = RandomStream(seed.derived("rounds"))
  }

  /// How the run ended; nil while it goes on.
  public var outcome: Outcome? {
    if case .finished(let outcome) = phase { outcome } else { nil }
  }

  /// Takes what happened at `time` into account.
  ///
  /// - Returns: What is to be done now, in order.
  public mutating func handle(_ event: Event, at time: RunTime) -> [Effect] {
    var effects: [Effect] = []
    now = min(max(time, now), Self.horizon)
    switch event {
    case .restarted, .left, .stopped:
      // First, since who is away is neither blamed for a deadline nor given an assignment, and
      // a run that is over makes no version of a round that was due to end.
      apply(event, &effects)
    default:
      advance(&effects)
      apply(event, &effects)
    }
    advance(&effects)
    requestWake(&effects)
    return effects
  }

  private mutating func apply(_ event: Event, _ effects: inout [Effect]) {
    switch event {
    case .joined(let worker): join(worker, &effects)
    case .left(let worker): leave(worker, &effects)
    case .contributed(let contribution): take(contribution, &effects)
    case .failed(let worker, let round, let reason):
      withdraw(worker, from: round, reason, event, &effects)
    case .aggregated(let round, let version): commit(version, of: round, event, &effects)
    case .aggregationFailed(let round, let reason):
      guard case .aggregating(let closed) = phase, closed.number == round else {
        return disregard(event, .notAggregating, &effects)
      }
      abandon(round, "aggregation failed: \(reason)", &effects)
    case .restarted: restart(&effects)
    case .woke: requestedWake = nil
    case .stopped(let reason): stop(reason, event, &effects)
    }
  }
}
