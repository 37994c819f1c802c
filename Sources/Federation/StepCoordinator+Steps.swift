// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Files
internal import Messages
internal import Rounds
internal import Tensors
internal import Training
internal import Updates

extension StepCoordinator {
  mutating func carryOut(
    _ effects: [StepEngine.Effect], at now: RunTime
  ) throws -> [Coordinator.Output] {
    try effects.reduce(into: []) { outputs, effect in
      outputs += try carryOut(effect, at: now)
    }
  }

  private mutating func carryOut(
    _ effect: StepEngine.Effect, at now: RunTime
  ) throws -> [Coordinator.Output] {
    switch effect {
    case .assign(let assignment): return try assign(assignment, at: now)
    case .release(let worker, let step, let reason):
      return sessions.connection(of: worker).map {
        [.send($0, .released(round: step, reason: reason.rawValue))]
      } ?? []
    case .commit(let step, let workers): return try commit(step, workers, at: now)
    case .disregard(let event, let reason):
      return [.report(.disregarded(what: "\(event)", reason: reason.rawValue))]
    case .abandon(let step, let reason, _):
      answers = [:]
      return [.report(.failed(round: step, reason: reason))]
    case .wake(let time):
      wantedWake = time
      return [.wake(at: clock.clock(at: time))]
    case .finish(let outcome): return try finish(outcome, at: now)
    }
  }

  private mutating func finish(
    _ outcome: RoundEngine.Outcome, at now: RunTime
  ) throws -> [Coordinator.Output] {
    try log.finish(outcome)
    aware.formUnion(sessions.all.compactMap { sessions[$0]?.worker })
    let last = tally.stepCount > 0 ? report(at: now) : []
    let farewells = sessions.all.flatMap { connection -> [Coordinator.Output] in
      [.send(connection, finished(outcome)), .close(connection, reason: "the run is over")]
    }
    let state = adapter.digest
    return last + farewells + [
      .report(.finished(version: version, state: state, failure: outcome.failure)),
      .finish(
        Coordinator.RunOutcome(version: version, state: state, failure: outcome.failure)),
    ]
  }
}

// MARK: - Commits

extension StepCoordinator {
  /// The next version, journalled and synced before anyone hears of it.
  private mutating func commit(
    _ number: Int, _ workers: [WorkerID], at now: RunTime
  ) throws -> [Coordinator.Output] {
    let taken = workers.compactMap { answers[$0] }
    answers = [:]
    let (reports, losses) = (taken.map(\.report), settings.estimator.joined(taken))
    let estimate = settings.estimator.estimate(losses)
    let rate = state.learningRate(ofVersion: version + 1)
    var scalars = estimate.scalars
    let clippedCount =
      settings.clips && settings.rule != .sign ? state.clip.clip(&scalars) : 0
    let step = settings.rule.step(UInt32(number), for: scalars, learningRate: rate)
    guard let (next, commit) = following(step) else {
      return try decide(
        .commitFailed(
          step: number, reason: "it would not be of finite numbers; lower the learning rate"),
        at: now)
    }
    let record = commit.record
    let isSnapshotDue = storage.isSnapshotDue(with: step.terms.count)
    try log.commitStep(
      version: commit.version, record: record,
      snapshot: isSnapshotDue ? try next.encoded() : nil, at: now)
    state = next
    lastRecord = record
    comparedState = version % comparedVersionInterval == 0 ? commit.state : nil
    storage.note(termCount: step.terms.count)
    if isSnapshotDue { storage.noteSnapshot(of: version) }
    tally.add(
      estimate, reports, pairCount: taken.count - losses.count, clippedCount: clippedCount, at: now)
    diagnostics.note(
      GradientDiagnostics.Step(
        slopes: settings.estimator.slopes(losses), taken: step, learningRate: rate,
        loss: estimate.loss, droppedCount: estimate.droppedCount, clippedCount: clippedCount))
    undiagnosedCount += 1
    // What is to be measured comes before the end, if this is it.
    let outputs = evaluation() + (try decide(.committed(step: number, version: version), at: now))
    return tally.isDue(at: now) ? outputs + report(at: now) : outputs
  }

  /// The state after a step, and the commit that leads to it; nil if there are numbers in it that are
  /// not finite.
  private func following(
    _ step: DirectionStep
  ) -> (state: StepState, commit: DirectionCommit)? {
    guard step.terms.allSatisfy(\.coefficient.isFinite) else { return nil }
    var next = state
    next.replica.apply(step)
    guard next.replica.adapter.isFinite else { return nil }
    let made = version + 1
    let isCompared =
      made % comparedVersionInterval == 0 || made == plan.rounds.versionCount
    let commit = DirectionCommit(
      version: made, previous: state.chain.link, step: step,
      state: isCompared ? next.replica.adapter.digest : nil)
    next.note(commit, record: commit.record)
    return (next, commit)
  }

  private func evaluation() -> [Coordinator.Output] {
    let isLast = version == plan.rounds.versionCount
    let isDue = evaluateEvery > 0 && version % evaluateEvery == 0
    return evaluateEvery >= 0 && (isLast || isDue)
      ? [.evaluate(version: version, adapter)] : []
  }

  private mutating func report(at now: RunTime) -> [Coordinator.Output] {
    let steps = tally.report(
      version: version, learningRate: state.learningRate(ofVersion: max(1, version)),
      connectedCount: sessions.all.count, splitsSigns: engine.rules.splitsSigns, at: now)
    tally = StepTally(since: now, refusedCount: tally.refusedCount)
    let isWhole = undiagnosedCount >= GradientDiagnostics.windowLength
    guard isWhole || version == plan.rounds.versionCount else { return [.report(.stepped(steps))] }
    undiagnosedCount = 0
    return [
      .report(.stepped(steps)),
      .report(
        .diagnosed(
          version: version, figures: diagnostics.figures, line: diagnostics.line,
          isWarning: diagnostics.isWarning)),
    ]
  }
}

// MARK: - Tasks

extension StepCoordinator {
  private mutating func assign(
    _ assignment: StepEngine.Assignment, at now: RunTime
  ) throws -> [Coordinator.Output] {
    let worker = assignment.worker
    guard let connection = sessions.connection(of: worker), let entry = sessions[connection] else {
      return []
    }
    let way = try way(for: worker, entry)
    tally.sentByteCount +=
      way.commits.reduce(0) { $0 + $1.count }
      + (way.history.map { $0.payload.byteCount - $0.offset } ?? 0)
    sessions.note(heldVersion: version, state: state.chain.digest, on: connection)
    quarantined.remove(worker)
    return [
      .send(
        connection,
        .step(
          StepTask(
            step: assignment.step, baseVersion: assignment.baseVersion,
            queries: assignment.queries, signs: assignment.signs,
            remaining: assignment.deadline - now,
            commits: way.commits, history: way.history)))
    ]
  }

  /// What brings a worker to the current version: nothing, the last commit, or a history.
  private mutating func way(
    for worker: WorkerID, _ entry: SessionTable.Entry
  ) throws -> (commits: [[UInt8]], history: AdapterDelivery?) {
    let isTrusted = !quarantined.contains(worker)
    // Version 0 is what everybody makes of the plan.
    let held = isTrusted ? entry.heldVersion ?? 0 : -1
    if held == version, entry.heldVersion == nil || entry.heldState == state.chain.digest {
      return ([], nil)
    }
    if held == version - 1, let lastRecord, let heldState = entry.heldState,
      try DirectionCommit(record: lastRecord).previous == DirectionCommit.Link(heldState)
    {
      return ([lastRecord], nil)
    }
    return ([], try history(from: held, heldState: isTrusted ? entry.heldState : nil, entry))
  }

  /// The cheaper of the commits since the held version, and a snapshot with those after it.
  ///
  /// - Parameter held: -1 for nothing that could be gone on from.
  private mutating func history(
    from held: Int, heldState: Digest?, _ entry: SessionTable.Entry
  ) throws -> AdapterDelivery {
    let records = held >= 0 ? try tail(after: held, heldState: heldState) : nil
    let base: Int? = records == nil ? nil : held
    let payload: Payload
    if let last = lastHistory, last.version == version, last.base == base {
      payload = last.payload
    } else {
      payload = Payload(
        try StepHistory(
          state: records == nil ? try state.encoded() : nil, records: records ?? []
        ).encoded())
      lastHistory = (version, base, payload)
    }
    let offset = entry.heldPart.map { $0.digest == payload.digest ? $0.byteCount : 0 } ?? 0
    return AdapterDelivery(
      version: version, baseVersion: base, state: adapter.digest,
      payload: payload, offset: min(offset, payload.byteCount))
  }

  /// The records after a version; nil if there are so many terms in them that a state is cheaper, or
  /// if what is held is of another history.
  private func tail(after held: Int, heldState: Digest?) throws -> [[UInt8]]? {
    let records = try log.stepRecords(after: held)
    var termCount = 0
    for (index, record) in records.enumerated() {
      let commit = try DirectionCommit(record: record)
      if index == 0, let heldState, commit.previous != DirectionCommit.Link(heldState) {
        return nil
      }
      termCount += commit.step.terms.count
      if termCount > StepStorage.breakEvenTermCount { return nil }
    }
    return records.isEmpty ? nil : records
  }
}
