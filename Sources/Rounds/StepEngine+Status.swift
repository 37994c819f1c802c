// SPDX-License-Identifier: Apache-2.0

extension StepEngine {
  /// What the run is doing now: all that a log line or a page needs.
  public var status: RoundStatus {
    switch phase {
    case .gathering(let since): makeStatus(.gathering, since: since)
    case .resting(let until): makeStatus(.resting, until: until)
    case .stepping(let step):
      makeStatus(
        .training, since: step.openedAt, until: step.deadline,
        awaited: step.outstanding.map {
          RoundStatus.Awaited(
            worker: $0.worker, isConnected: true, since: $0.since, until: step.deadline)
        }, answerCount: step.answered.count, taskCount: step.tasks.count)
    case .committing(_, let since, let answerCount):
      makeStatus(
        .aggregating, since: since, answerCount: answerCount, taskCount: answerCount)
    case .finished: makeStatus(.finished)
    }
  }

  private func makeStatus(
    _ phase: RoundStatus.Phase, since: RunTime? = nil, until: RunTime? = nil,
    awaited: [RoundStatus.Awaited] = [], answerCount: Int = 0, taskCount: Int = 0
  ) -> RoundStatus {
    RoundStatus(
      unit: .step, phase: phase, version: version, versionCount: rules.rounds.versionCount,
      round: nextStep - 1, since: since, until: until, awaited: awaited,
      contributionCount: answerCount, assignedCount: taskCount, quorum: rules.rounds.quorum,
      connectedCount: members.count, minimumWorkers: neededWorkerCount,
      failedRoundsInARow: failedStepsInARow, outcome: outcome)
  }

  /// What is true after every event, and is not: empty when all is well.
  public var invariants: [String] {
    var violations: [String] = []
    func expect(_ holds: Bool, _ otherwise: @autoclosure () -> String) {
      if !holds { violations.append(otherwise()) }
    }
    expect((0...rules.rounds.versionCount).contains(version), "version \(version) of no run")
    expect(requestedWake == nextWake, "asked to be woken at another time than is due")
    expect(members.values.allSatisfy { $0.since <= now }, "somebody joined after the last event")
    switch phase {
    case .gathering:
      expect(members.count < neededWorkerCount, "enough workers, but no step")
    case .resting(let until):
      expect(until > now && failedStepsInARow > 0, "rests for no reason")
    case .stepping(let step):
      expect(step.number == nextStep - 1, "step \(step.number) is open, not the last")
      expect(!step.outstanding.isEmpty, "a step is open that nobody works at")
      expect(now < step.deadline, "a step is open after its deadline")
      expect(
        step.outstanding.allSatisfy { members[$0.worker] != nil }, "awaits somebody who is gone")
      expect(areDisjoint(step), "queries of two groups overlap")
      expect(areWhole(step), "a sign is missing, or of other data")
    case .committing(let step, _, let answerCount):
      expect(step == nextStep - 1, "commits step \(step), not the last")
      expect(answerCount >= rules.rounds.quorum, "commits \(answerCount) answers")
    case .finished(let outcome):
      expect(outcome.version == version, "finished with version \(outcome.version)")
    }
    return violations
  }

  /// Whether two tasks have the same queries or none in common, and a group's worth have the same.
  private func areDisjoint(_ step: OpenStep) -> Bool {
    let ranges = step.sortedTasks.map(\.task.queries)
    let distinct = Set(ranges).sorted { $0.lowerBound < $1.lowerBound }
    return zip(distinct, distinct.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound }
      && ranges.allSatisfy { !$0.isEmpty }
      && distinct.allSatisfy { range in
        ranges.count { $0 == range } <= rules.groupSize
      }
  }

  /// Whether each query was given to somebody with both signs, or with one each to two with the same
  /// data.
  private func areWhole(_ step: OpenStep) -> Bool {
    Dictionary(grouping: step.tasks.values, by: \.queries).values.allSatisfy { tasks in
      guard tasks.contains(where: { $0.signs != .both }) else {
        return !rules.splitsSigns || tasks.count == 1
      }
      return rules.splitsSigns && tasks.count == 2 && Set(tasks.map(\.signs)) == [.plus, .minus]
        && tasks[0].data != nil && tasks[0].data == tasks[1].data
    }
  }
}
