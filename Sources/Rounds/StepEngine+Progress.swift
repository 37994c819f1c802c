// SPDX-License-Identifier: Apache-2.0

/// What time and circumstances bring about.
extension StepEngine {
  /// Takes every step that is due, until none is.
  mutating func advance(_ effects: inout [Effect]) {
    var before: Phase
    repeat {
      before = phase
      switch phase {
      case .gathering where members.count >= neededWorkerCount: open(&effects)
      case .resting(let until) where now >= until: phase = .gathering(since: now)
      case .stepping(let step): settle(step, &effects)
      case .gathering, .resting, .committing, .finished: break
      }
    } while phase != before
  }

  /// How many workers must be here for a step to be opened.
  var neededWorkerCount: Int {
    version == 0 && nextStep == 0 ? rules.rounds.minimumWorkers : rules.rounds.quorum
  }

  private mutating func open(_ effects: inout [Effect]) {
    var step = OpenStep(number: nextStep, openedAt: now, deadline: now + rules.rounds.deadline)
    nextStep += 1
    statistics.openedRoundCount += 1
    for (worker, queries, signs) in shares() {
      assign(worker, queries, signs, in: &step, &effects)
    }
    phase = .stepping(step)
  }

  mutating func assign(
    _ worker: WorkerID, _ queries: Range<Int>, _ signs: Signs, in step: inout OpenStep,
    _ effects: inout [Effect]
  ) {
    step.tasks[worker] = OpenStep.Task(
      queries: queries, signs: signs, data: members[worker]?.data, standing: .working(since: now))
    statistics.assignmentCount += 1
    effects.append(
      .assign(
        Assignment(
          step: step.number, worker: worker, baseVersion: version, queries: queries,
          signs: signs, deadline: step.deadline)))
  }

  /// Ends the step if everybody who is here has answered, or the deadline came.
  private mutating func settle(_ step: OpenStep, _ effects: inout [Effect]) {
    let (answered, countedCount) = (step.answered, step.counted.count)
    let isOver = now >= step.deadline
    guard step.outstanding.isEmpty || isOver else { return }
    unreliable.formUnion(step.tasks.keys)
    unreliable.subtract(answered)
    if countedCount >= rules.rounds.quorum {
      phase = .committing(step: step.number, since: now, answerCount: countedCount)
      return effects.append(.commit(step: step.number, answered))
    }
    for (worker, _) in step.outstanding {
      effects.append(.release(worker, step: step.number, reason: .roundFailed))
    }
    let failed = step.tasks.values.contains {
      if case .failed = $0.standing { true } else { false }
    }
    if isOver || failed {
      let why = isOver ? "the deadline came" : "workers failed"
      abandon(step.number, step.account(of: why, quorum: rules.rounds.quorum), &effects)
    } else {
      // Everybody who was to answer has gone, or the partner of who is here. That is nobody's failure:
      // the run waits for workers.
      statistics.failedRoundCount += 1
      phase = .gathering(since: now)
    }
  }

  mutating func abandon(_ step: Int, _ reason: String, _ effects: inout [Effect]) {
    statistics.failedRoundCount += 1
    failedStepsInARow += 1
    if failedStepsInARow >= rules.rounds.maximumFailedRounds {
      effects.append(.abandon(step: step, reason: reason, retryAt: nil))
      let count = failedStepsInARow
      let steps = count == 1 ? "a step failed" : "\(count) steps in a row failed, at last"
      finish(.failed(version: version, reason: "\(steps): \(reason)"), &effects)
    } else {
      let retry = now + rules.rounds.retryDelay
      effects.append(.abandon(step: step, reason: reason, retryAt: retry))
      phase = .resting(until: retry)
    }
  }

  mutating func finish(_ outcome: RoundEngine.Outcome, _ effects: inout [Effect]) {
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
    case .gathering, .committing, .finished: nil
    case .resting(let until): until
    case .stepping(let step): step.deadline
    }
  }
}

/// Who gets how much.
extension StepEngine {
  mutating func notePace(of worker: WorkerID, _ duration: Duration) {
    let seconds = Double(duration.wholeNanoseconds) / 1e9
    let before = members[worker]?.secondsPerQuery ?? seconds
    members[worker]?.secondsPerQuery = before + (seconds - before) / 4
    members[worker]?.answerCount += 1
  }

  /// The queries of everybody who is here: those of a group are the same, and groups have theirs one
  /// after the other, in the order of the workers.
  func shares() -> [(WorkerID, Range<Int>, Signs)] {
    let groups = rules.groups(of: members.mapValues(\.data), single: unreliable)
    var first = 0
    return zip(groups, queryCounts(of: groups)).flatMap { group, count in
      defer { first += count }
      let signs: [Signs] =
        isPair(group) ? [.plus, .minus] : Array(repeating: .both, count: group.count)
      return zip(group, signs).map { ($0, first..<(first + count), $1) }
    }
  }

  /// Whether the workers of a group evaluate one sign each.
  private func isPair(_ group: [WorkerID]) -> Bool { rules.splitsSigns && group.count == 2 }

  /// How many queries each group gets: as many as any other, unless one is slower by half or more, as
  /// far as a few answers of everybody tell.
  private func queryCounts(of groups: [[WorkerID]]) -> [Int] {
    let equal = groups.map { _ in rules.queryCount }
    // A group is as fast as the slowest in it, and twice as fast where each has one sign of two.
    let paces = groups.compactMap { group in
      let paces = group.compactMap { worker in
        members[worker].flatMap { $0.answerCount >= leastAnswerCount ? $0.secondsPerQuery : nil }
      }
      return paces.count == group.count ? paces.max().map { isPair(group) ? $0 / 2 : $0 } : nil
    }
    guard rules.followsSpeed, paces.count == groups.count, let fastest = paces.min(),
      let slowest = paces.max(), fastest > 0, slowest >= 1.5 * fastest
    else { return equal }
    return apportioned(
      rules.queryCount * groups.count, by: paces.map { 1 / $0 }, atLeast: rules.leastQueryCount)
  }
}

/// Before so many answers of a worker nothing is made of its speed.
private let leastAnswerCount = 8

/// `total` in parts in proportion to `weights`, each at least `least`, by the largest remainder; of
/// equal remainders the first.
func apportioned(_ total: Int, by weights: [Double], atLeast least: Int) -> [Int] {
  let free = total - least * weights.count
  guard free > 0 else { return weights.map { _ in least } }
  let sum = weights.reduce(0, +)
  let wishes = weights.map { max(0, $0 / sum * Double(total) - Double(least)) }
  let wished = wishes.reduce(0, +)
  guard wished > 0 else { return weights.map { _ in least } }
  let exact = wishes.map { $0 / wished * Double(free) }
  var parts = exact.map { Int($0) }
  let order = exact.indices.sorted {
    let (left, right) = (exact[$0] - Double(parts[$0]), exact[$1] - Double(parts[$1]))
    return left == right ? $0 < $1 : left > right
  }
  for index in order.prefix(free - parts.reduce(0, +)) { parts[index] += 1 }
  return parts.map { $0 + least }
}
