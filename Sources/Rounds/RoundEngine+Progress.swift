// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// What time and circumstances bring about.
extension RoundEngine {
  /// Takes every step that is due, until none is.
  mutating func advance(_ effects: inout [Effect]) {
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

  mutating func assign(
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

  mutating func abandon(_ round: Int, _ reason: String, _ effects: inout [Effect]) {
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
  func release(_ round: OpenRound, _ reason: ReleaseReason, _ effects: inout [Effect]) {
    for worker in round.outstanding where connected[worker] != nil {
      effects.append(.release(worker, round: round.number, reason: reason))
    }
  }

  mutating func finish(_ outcome: Outcome, _ effects: inout [Effect]) {
    effects.append(.finish(outcome))
    phase = .finished(outcome)
  }

  mutating func requestWake(_ effects: inout [Effect]) {
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
