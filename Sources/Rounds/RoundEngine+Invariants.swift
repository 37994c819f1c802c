// SPDX-License-Identifier: Apache-2.0

extension RoundEngine {
  /// What is true after every event, and is not: empty when all is well.
  ///
  /// Tests ask after every event; the run store asks when it recovers an engine.
  public var invariants: [String] {
    var violations: [String] = []
    func expect(_ holds: Bool, _ otherwise: @autoclosure () -> String) {
      if !holds { violations.append(otherwise()) }
    }
    expect((try? rules.validated()) != nil, "the rules are out of range")
    expect((0...rules.versionCount).contains(version), "version \(version) of no run")
    expect(nextRound == statistics.openedRoundCount + 1, "round numbers differ from rounds opened")
    expect(failedRoundsInARow <= statistics.failedRoundCount, "failed rounds miscounted")
    expect(requestedWake == nextWake, "asked to be woken at another time than is due")
    expect(
      statistics.openedRoundCount == version + statistics.failedRoundCount + unsettledRoundCount,
      "\(statistics.openedRoundCount) rounds opened, but \(version) committed,"
        + " \(statistics.failedRoundCount) failed, \(unsettledRoundCount) unsettled")
    expect(
      connected.values.allSatisfy { $0 <= now }, "somebody joined after the last event")
    for (worker, contribution) in counted {
      expect(contribution.worker == worker, "\(worker) is counted for \(contribution.worker)")
      expect(contribution.baseVersion < version, "counted before its version was made")
    }
    violations += phaseViolations
    return violations
  }

  private var unsettledRoundCount: Int {
    switch phase {
    case .training, .aggregating: 1
    case .finished(.stopped):
      statistics.openedRoundCount - version - statistics.failedRoundCount == 1 ? 1 : 0
    case .gathering, .resting, .finished: 0
    }
  }

  private var phaseViolations: [String] {
    var violations: [String] = []
    func expect(_ holds: Bool, _ otherwise: @autoclosure () -> String) {
      if !holds { violations.append(otherwise()) }
    }
    if outcome == nil {
      expect(version < rules.versionCount, "all versions made, but not finished")
      expect(failedRoundsInARow < rules.maximumFailedRounds, "too many failed rounds to go on")
    }
    switch phase {
    case .gathering:
      expect(connected.count < rules.minimumWorkers, "enough workers, but no round")
    case .resting(let until):
      expect(until > now, "rests though it is time")
      expect(failedRoundsInARow > 0, "rests without a failed round")
    case .training(let round): violations += self.violations(in: round)
    case .aggregating(let round):
      let workers = round.contributions.map(\.worker)
      expect(round.number == nextRound - 1, "aggregates round \(round.number), not the last")
      expect(round.baseVersion == version, "aggregates from version \(round.baseVersion)")
      expect(workers == Set(workers).sorted(), "contributions out of order or not distinct")
      expect(
        (rules.quorum...rules.cohortSize).contains(workers.count),
        "aggregates \(workers.count) contributions")
      violations += self.violations(
        in: round.contributions, round: round.number, baseVersion: round.baseVersion)
    case .finished(let outcome):
      expect(outcome.version == version, "finished with version \(outcome.version)")
      if case .completed = outcome {
        expect(version == rules.versionCount, "completed too early")
      }
    }
    return violations
  }

  private func violations(in round: OpenRound) -> [String] {
    var violations: [String] = []
    func expect(_ holds: Bool, _ otherwise: @autoclosure () -> String) {
      if !holds { violations.append(otherwise()) }
    }
    let answers = round.contributions.count
    expect(round.number == nextRound - 1, "round \(round.number) is open, not the last")
    expect(round.baseVersion == version, "learns from version \(round.baseVersion)")
    expect(round.deadline > now, "open past its deadline")
    expect(answers < rules.cohortSize, "open with a whole cohort")
    expect(answers < rules.quorum || !round.outstanding.isEmpty, "quorate, but waits for nobody")
    expect(answers + round.outstanding.count >= rules.quorum, "open without hope of a quorum")
    for (worker, assignee) in round.sortedAssignees {
      switch assignee {
      case .working: expect(connected[worker] != nil, "\(worker) works, but is away")
      case .absent(let since):
        expect(connected[worker] == nil, "\(worker) is absent, but here")
        expect(since <= now, "\(worker) left after the last event")
      case .answered(let contribution):
        expect(contribution.worker == worker, "\(worker) answered for \(contribution.worker)")
      case .failed: break
      }
    }
    let isEveryPlaceHeld =
      round.heldPlaceCount(at: now, grace: rules.absenceGrace) >= rules.assignmentCount
    expect(
      isEveryPlaceHeld || connected.keys.allSatisfy { round.assignees[$0] != nil },
      "somebody stands by though a place is free")
    return violations
      + self.violations(
        in: round.contributions, round: round.number, baseVersion: round.baseVersion)
  }

  private func violations(
    in contributions: [Contribution], round: Int, baseVersion: Int
  ) -> [String] {
    contributions.filter { $0.round != round || $0.baseVersion != baseVersion }.map {
      "\($0.worker) contributed to round \($0.round) from version \($0.baseVersion),"
        + " round \(round) learns from version \(baseVersion)"
    }
  }
}
