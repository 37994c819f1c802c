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
  var now: RunTime
  var requestedWake: RunTime?
  private var generator: RandomStream

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
    case .restarted, .left:
      // First, since who is away is neither blamed for a deadline nor given an assignment.
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

// MARK: - What time and circumstances bring about

extension RoundEngine {
  /// Takes every step that is due, until none is.
  private mutating func advance(_ effects: inout [Effect]) {
    var before: Phase
    repeat {
      before = phase
      step(&effects)
    } while phase != before
  }

  private mutating func step(_ effects: inout [Effect]) {
    switch phase {
    case .gathering where connected.count >= rules.minimumWorkers: open()
    case .resting(let until) where now >= until: phase = .gathering(since: now)
    case .training(let round): settle(round, &effects)
    case .gathering, .resting, .aggregating, .finished: break
    }
  }

  private mutating func open() {
    let number = nextRound
    nextRound += 1
    statistics.openedRoundCount += 1
    phase = .training(
      OpenRound(
        number: number, baseVersion: version, openedAt: now, deadline: now + rules.deadline))
  }

  /// Ends the round if it has what it needs or never will; else sees that enough are at work.
  private mutating func settle(_ round: OpenRound, _ effects: inout [Effect]) {
    let answers = round.contributions.count
    let isQuorate = answers >= rules.quorum
    if answers >= rules.cohortSize
      || isQuorate && round.isAbandoned(at: now, grace: rules.absenceGrace)
    {
      return close(round, .enough, &effects)
    }
    if now >= round.deadline {
      guard isQuorate else {
        return fail(round, "the deadline came", &effects)
      }
      return close(round, .deadline, &effects)
    }
    var round = round
    fillPlaces(of: &round, &effects)
    let outstanding = round.outstanding
    if isQuorate && outstanding.isEmpty {
      close(round, .enough, &effects)
    } else if answers + outstanding.count < rules.quorum {
      fail(round, "too many workers failed", &effects)
    } else {
      phase = .training(round)
    }
  }

  /// Assigns workers that stand by, while the round has fewer at work than it wants.
  private mutating func fillPlaces(of round: inout OpenRound, _ effects: inout [Effect]) {
    let held = round.heldPlaceCount(at: now, grace: rules.absenceGrace)
    let places = rules.assignmentCount - held
    guard places > 0 else { return }
    var idle = connected.keys.filter { round.assignees[$0] == nil }.sorted()
    if idle.count > places {
      generator.shuffle(&idle)
      idle = idle.prefix(places).sorted()
    }
    for worker in idle { assign(worker, in: &round, &effects) }
  }

  private mutating func assign(
    _ worker: WorkerID, in round: inout OpenRound, _ effects: inout [Effect]
  ) {
    round.assignees[worker] = .working(since: now)
    statistics.assignmentCount += 1
    effects.append(
      .assign(
        Assignment(
          round: round.number, worker: worker, baseVersion: round.baseVersion,
          deadline: round.deadline, lastCountedVersion: counted[worker]?.baseVersion)))
  }

  private mutating func close(
    _ round: OpenRound, _ reason: ReleaseReason, _ effects: inout [Effect]
  ) {
    let contributions = round.contributions
    release(round, reason, &effects)
    effects.append(.aggregate(round: round.number, contributions))
    phase = .aggregating(
      ClosedRound(
        number: round.number, baseVersion: round.baseVersion, closedAt: now,
        contributions: contributions))
  }

  private mutating func fail(_ round: OpenRound, _ why: String, _ effects: inout [Effect]) {
    release(round, .roundFailed, &effects)
    abandon(round.number, round.account(of: why, quorum: rules.quorum), &effects)
  }

  private mutating func abandon(_ round: Int, _ reason: String, _ effects: inout [Effect]) {
    statistics.failedRoundCount += 1
    failedRoundsInARow += 1
    if failedRoundsInARow >= rules.maximumFailedRounds {
      effects.append(.abandon(round: round, reason: reason, retryAt: nil))
      let count = failedRoundsInARow
      let rounds = count == 1 ? "a round failed" : "\(count) rounds in a row failed, at last"
      finish(.failed(version: version, reason: "\(rounds): \(reason)"), &effects)
    } else {
      let retry = now + rules.retryDelay
      effects.append(.abandon(round: round, reason: reason, retryAt: retry))
      phase = .resting(until: retry)
    }
  }

  /// Only who is here can be told; who is away learns it from its next assignment.
  private func release(_ round: OpenRound, _ reason: ReleaseReason, _ effects: inout [Effect]) {
    for worker in round.outstanding where connected[worker] != nil {
      effects.append(.release(worker, round: round.number, reason: reason))
    }
  }

  private mutating func finish(_ outcome: Outcome, _ effects: inout [Effect]) {
    effects.append(.finish(outcome))
    phase = .finished(outcome)
  }

  private mutating func requestWake(_ effects: inout [Effect]) {
    let wanted = nextWake
    if let wanted, wanted != requestedWake { effects.append(.wake(at: wanted)) }
    requestedWake = wanted
  }

  /// When something is due if nothing happens before.
  var nextWake: RunTime? {
    switch phase {
    case .gathering, .aggregating, .finished: return nil
    case .resting(let until): return until
    case .training(let round):
      let ends = round.absences.map { $0 + rules.absenceGrace }.filter { $0 > now }
      return ends.reduce(round.deadline, min)
    }
  }
}

// MARK: - What events bring about

extension RoundEngine {
  private mutating func join(_ worker: WorkerID, _ effects: inout [Effect]) {
    connected[worker] = now
    statistics.joinCount += 1
    guard case .training(var round) = phase else { return }
    switch round.assignees[worker] {
    case .working, .absent: assign(worker, in: &round, &effects)
    case .answered, .failed, nil: break
    }
    phase = .training(round)
  }

  private mutating func leave(_ worker: WorkerID, _ effects: inout [Effect]) {
    guard connected.removeValue(forKey: worker) != nil else {
      return disregard(.left(worker), .notJoined, &effects)
    }
    guard case .training(var round) = phase else { return }
    if case .working = round.assignees[worker] { round.assignees[worker] = .absent(since: now) }
    phase = .training(round)
  }

  private mutating func take(_ contribution: Contribution, _ effects: inout [Effect]) {
    let worker = contribution.worker
    if let reason = reasonToDisregard(contribution) {
      statistics.disregarded[reason, default: 0] += 1
      if reason == .duplicate {
        effects.append(.accept(contribution))
        effects.append(.disregard(.contributed(contribution), reason: reason))
      } else {
        effects.append(.refuse(contribution, reason: reason))
      }
    } else if case .training(var round) = phase {
      round.assignees[worker] = .answered(contribution)
      statistics.contributionCount += 1
      effects.append(.accept(contribution))
      phase = .training(round)
    }
  }

  private func reasonToDisregard(_ contribution: Contribution) -> DisregardReason? {
    // A receipt that was lost is repeated, however late: the worker must know that it counted.
    if counted[contribution.worker] == contribution { return .duplicate }
    if contribution.round >= nextRound || contribution.round < 1 { return .unknownRound }
    switch phase {
    case .training(let round) where round.number == contribution.round:
      guard contribution.baseVersion == round.baseVersion else { return .otherVersion }
      switch round.assignees[contribution.worker] {
      case nil: return .unassigned
      case .failed: return .withdrawn
      case .answered(let earlier): return earlier == contribution ? .duplicate : .conflicting
      case .working, .absent: return nil
      }
    case .aggregating(let round) where round.contributions.contains(contribution):
      return .duplicate
    case .finished: return .runEnded
    case .gathering, .resting, .training, .aggregating: return .late
    }
  }

  private mutating func withdraw(
    _ worker: WorkerID, from number: Int, _ reason: String, _ event: Event,
    _ effects: inout [Effect]
  ) {
    guard case .training(var round) = phase, round.number == number else {
      return disregard(event, outcome == nil ? .late : .runEnded, &effects)
    }
    switch round.assignees[worker] {
    case nil: return disregard(event, .unassigned, &effects)
    case .failed: return disregard(event, .duplicate, &effects)
    case .answered: return disregard(event, .conflicting, &effects)
    case .working, .absent: break
    }
    round.assignees[worker] = .failed(reason: reason)
    statistics.reportedFailureCount += 1
    phase = .training(round)
  }

  private mutating func commit(
    _ version: Int, of number: Int, _ event: Event, _ effects: inout [Effect]
  ) {
    guard case .aggregating(let round) = phase, round.number == number,
      version == round.baseVersion + 1
    else { return disregard(event, .notAggregating, &effects) }
    self.version = version
    failedRoundsInARow = 0
    statistics.countedContributionCount += round.contributions.count
    for contribution in round.contributions { counted[contribution.worker] = contribution }
    if version == rules.versionCount {
      finish(.completed(version: version), &effects)
    } else {
      phase = .gathering(since: now)
    }
  }

  private mutating func stop(_ reason: String, _ event: Event, _ effects: inout [Effect]) {
    guard outcome == nil else { return disregard(event, .runEnded, &effects) }
    if case .training(let round) = phase { release(round, .runEnded, &effects) }
    finish(.stopped(version: version, reason: reason), &effects)
  }

  private mutating func restart(_ effects: inout [Effect]) {
    connected = [:]
    requestedWake = nil
    statistics.restartCount += 1
    switch phase {
    case .gathering, .resting: break
    case .training(var round):
      // The workers could not answer meanwhile, so the round and their absence start anew.
      round.deadline = now + rules.deadline
      for worker in round.outstanding { round.assignees[worker] = .absent(since: now) }
      phase = .training(round)
    case .aggregating(let round):
      effects.append(.aggregate(round: round.number, round.contributions))
    case .finished(let outcome): effects.append(.finish(outcome))
    }
  }

  private mutating func disregard(
    _ event: Event, _ reason: DisregardReason, _ effects: inout [Effect]
  ) {
    statistics.disregarded[reason, default: 0] += 1
    effects.append(.disregard(event, reason: reason))
  }
}
