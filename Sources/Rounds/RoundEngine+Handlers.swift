// SPDX-License-Identifier: Apache-2.0
internal import Digests

/// What events bring about.
extension RoundEngine {
  mutating func join(_ worker: WorkerID, _ effects: inout [Effect]) {
    connected[worker] = now
    statistics.joinCount += 1
    guard case .training(var round) = phase else { return }
    switch round.assignees[worker] {
    case .working, .absent: assign(worker, in: &round, &effects)
    case .answered, .failed, nil: break
    }
    phase = .training(round)
  }

  mutating func leave(_ worker: WorkerID, _ effects: inout [Effect]) {
    guard connected.removeValue(forKey: worker) != nil else {
      return disregard(.left(worker), .notJoined, &effects)
    }
    guard case .training(var round) = phase else { return }
    if case .working = round.assignees[worker] { round.assignees[worker] = .absent(since: now) }
    phase = .training(round)
  }

  mutating func take(_ contribution: Contribution, _ effects: inout [Effect]) {
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

  mutating func withdraw(
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

  mutating func commit(
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

  mutating func stop(_ reason: String, _ event: Event, _ effects: inout [Effect]) {
    guard outcome == nil else { return disregard(event, .runEnded, &effects) }
    if case .training(let round) = phase { release(round, .runEnded, &effects) }
    finish(.stopped(version: version, reason: reason), &effects)
  }

  mutating func restart(_ effects: inout [Effect]) {
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

  mutating func disregard(
    _ event: Event, _ reason: DisregardReason, _ effects: inout [Effect]
  ) {
    statistics.disregarded[reason, default: 0] += 1
    effects.append(.disregard(event, reason: reason))
  }
}
