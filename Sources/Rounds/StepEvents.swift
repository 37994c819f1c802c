// SPDX-License-Identifier: Apache-2.0
public import Digests

extension StepEngine {
  /// What happened.
  public enum Event: Equatable, Sendable {
    /// A worker connected, or connected anew; `data` is the digest of its data, nil if it did not say.
    case joined(WorkerID, data: Digest?)
    /// A worker's connection ended.
    case left(WorkerID)
    /// The losses of a worker's task arrived and were found valid.
    case answered(WorkerID, step: Int)
    /// A worker cannot do its task.
    case failed(WorkerID, step: Int, reason: String)
    /// The step became a version, and the commit is stored.
    case committed(step: Int, version: Int)
    /// The step cannot become a version.
    case commitFailed(step: Int, reason: String)
    /// A requested time has come.
    case woke
    /// The operator ends the run.
    case stopped(reason: String)
  }

  /// What is to be done, in order.
  public enum Effect: Equatable, Sendable {
    /// Tell a worker what to evaluate.
    case assign(Assignment)
    /// Tell a worker that its task is over.
    case release(WorkerID, step: Int, reason: RoundEngine.ReleaseReason)
    /// Make the next version of the answers of these workers, in this order; of two that evaluate one
    /// sign each, one without the other counts for nothing.
    case commit(step: Int, [WorkerID])
    /// Deliver `woke` at this time or soon after; replaces what was asked for before.
    case wake(at: RunTime)
    /// Log that an event changed nothing but a counter.
    case disregard(Event, reason: RoundEngine.DisregardReason)
    /// Log that a step failed; without a time to retry at, the run fails with it.
    case abandon(step: Int, reason: String, retryAt: RunTime?)
    /// Nothing more will come.
    case finish(RoundEngine.Outcome)
  }

  /// A worker's task in a step.
  public struct Assignment: Hashable, Sendable {
    /// The step, which is part of the directions' address.
    public let step: Int
    /// Who is to evaluate.
    public let worker: WorkerID
    /// The version to evaluate at.
    public let baseVersion: Int
    /// The queries.
    public let queries: Range<Int>
    /// Which way along their directions.
    public let signs: Signs
    /// When the step ends.
    public let deadline: RunTime
  }

  /// Why an answer to a step would change nothing; nil if it counts.
  public func reasonToDisregard(_ worker: WorkerID, step: Int) -> RoundEngine.DisregardReason? {
    if outcome != nil { return .runEnded }
    if step >= nextStep || step < 0 { return .unknownRound }
    guard case .stepping(let open) = phase, open.number == step else { return .late }
    switch open.tasks[worker]?.standing {
    case nil, .absent: return .unassigned
    case .failed: return .withdrawn
    case .answered: return .duplicate
    case .working: return nil
    }
  }

  /// The queries that a worker evaluates in the open step; nil if it has none to.
  public func queries(of worker: WorkerID, in step: Int) -> Range<Int>? {
    task(of: worker, in: step)?.queries
  }

  /// Which way a worker evaluates its queries of the open step; nil if it has none to.
  public func signs(of worker: WorkerID, in step: Int) -> Signs? {
    task(of: worker, in: step)?.signs
  }

  private func task(of worker: WorkerID, in step: Int) -> OpenStep.Task? {
    guard case .stepping(let open) = phase, open.number == step else { return nil }
    return open.tasks[worker]
  }
}

/// What events bring about.
extension StepEngine {
  mutating func join(_ worker: WorkerID, _ data: Digest?, _ effects: inout [Effect]) {
    members[worker] = Member(since: now, data: data)
    statistics.joinCount += 1
    guard case .stepping(var step) = phase, let task = step.tasks[worker] else { return }
    // Losses of other data say nothing beside those of its partner.
    let isStranger = task.signs != .both && task.data != data
    switch task.standing {
    case .working where isStranger, .absent where isStranger:
      step.tasks[worker]?.standing = .absent
    case .working, .absent: assign(worker, task.queries, task.signs, in: &step, &effects)
    case .answered, .failed: break
    }
    phase = .stepping(step)
  }

  mutating func leave(_ worker: WorkerID, _ effects: inout [Effect]) {
    guard members.removeValue(forKey: worker) != nil else {
      return disregard(.left(worker), .notJoined, &effects)
    }
    guard case .stepping(var step) = phase else { return }
    if case .working = step.tasks[worker]?.standing { step.tasks[worker]?.standing = .absent }
    phase = .stepping(step)
  }

  mutating func take(
    from worker: WorkerID, _ number: Int, _ event: Event, _ effects: inout [Effect]
  ) {
    if let reason = reasonToDisregard(worker, step: number) {
      return disregard(event, reason, &effects)
    }
    guard case .stepping(var step) = phase, let task = step.tasks[worker],
      case .working(let since) = task.standing
    else { return }
    step.tasks[worker]?.standing = .answered
    statistics.contributionCount += 1
    notePace(of: worker, (now - since) * (task.signs == .both ? 1 : 2) / task.queries.count)
    phase = .stepping(step)
  }

  mutating func withdraw(
    _ worker: WorkerID, from number: Int, _ reason: String, _ event: Event,
    _ effects: inout [Effect]
  ) {
    if let reason = reasonToDisregard(worker, step: number) {
      return disregard(event, reason, &effects)
    }
    guard case .stepping(var step) = phase else { return }
    step.tasks[worker]?.standing = .failed(reason: reason)
    statistics.reportedFailureCount += 1
    phase = .stepping(step)
  }

  mutating func commit(
    _ version: Int, of number: Int, _ event: Event, _ effects: inout [Effect]
  ) {
    guard case .committing(number, _, let answerCount) = phase, version == self.version + 1 else {
      return disregard(event, .notAggregating, &effects)
    }
    self.version = version
    failedStepsInARow = 0
    statistics.countedContributionCount += answerCount
    if version == rules.rounds.versionCount {
      finish(.completed(version: version), &effects)
    } else {
      phase = .gathering(since: now)
    }
  }

  mutating func disregard(
    _ event: Event, _ reason: RoundEngine.DisregardReason, _ effects: inout [Effect]
  ) {
    statistics.disregarded[reason, default: 0] += 1
    effects.append(.disregard(event, reason: reason))
  }
}
