// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Files
internal import Messages
internal import Rounds
internal import Runs
internal import Tensors
internal import Updates

extension Coordinator {
  /// Journals an event, then lets the engine handle it, then carries out what follows.
  mutating func decide(
    _ event: RoundEngine.Event, storing payload: Payload? = nil, at now: RunTime
  ) throws -> [Output] {
    if let payload, case .contributed(let contribution) = event {
      try log.record(contribution, payload: payload, event: event, at: now)
    } else {
      try log.append(event, at: now)
    }
    return try carryOut(engine.handle(event, at: now), at: now)
  }

  private mutating func carryOut(
    _ effects: [RoundEngine.Effect], at now: RunTime
  ) throws -> [Output] {
    try effects.reduce(into: []) { outputs, effect in
      outputs += try carryOut(effect, at: now)
    }
  }

  private mutating func carryOut(
    _ effect: RoundEngine.Effect, at now: RunTime
  ) throws -> [Output] {
    switch effect {
    case .assign(let assignment):
      return try assign(assignment, at: now)
    case .release(let worker, let round, let reason):
      return send(.released(round: round, reason: reason.rawValue), to: worker)
    case .accept(let contribution):
      return send(
        .receipt(
          Receipt(round: contribution.round, payload: contribution.payload, refusal: nil)),
        to: contribution.worker)
    case .refuse(let contribution, let reason):
      return [.report(.refused(name: contribution.worker.rawValue, reason: reason.rawValue))]
        + send(
          .receipt(
            Receipt(
              round: contribution.round, payload: contribution.payload, refusal: reason.rawValue)),
          to: contribution.worker)
    case .disregard(let event, let reason):
      return [.report(.disregarded(what: "\(event)", reason: reason.rawValue))]
    case .abandon(let round, let reason, _):
      return [.report(.failed(round: round, reason: reason))]
    case .aggregate(let round, let contributions):
      return try commit(round: round, contributions, at: now)
    case .wake(let time):
      wantedWake = time
      return [.wake(at: clock.clock(at: time))]
    case .finish(let outcome):
      return try finish(outcome, at: now)
    }
  }

  private mutating func assign(_ assignment: RoundEngine.Assignment, at now: RunTime) throws
    -> [Output]
  {
    guard let connection = sessions.connection(of: assignment.worker),
      let entry = sessions[connection]
    else { return [] }
    var outputs: [Output] = []
    if ledger.number != assignment.round {
      ledger = RoundLedger(number: assignment.round, opened: now)
      outputs.append(.report(.opened(round: assignment.round, version: version)))
    }
    let delivery = try delivery(to: entry, &outputs)
    ledger.sentByteCount += delivery?.missingByteCount ?? 0
    sessions.note(heldVersion: version, state: server.replicaDigest, on: connection)
    let accepted = server.accepted[assignment.worker].map {
      AssignmentMessage.Accepted(version: $0.baseVersion, payload: $0.payload)
    }
    let message = AssignmentMessage(
      round: assignment.round, baseVersion: assignment.baseVersion,
      remaining: max(.zero, assignment.deadline - now), accepted: accepted, adapter: delivery,
      part: entry.part)
    return outputs + [.send(connection, .assignment(message))]
  }

  /// What brings a worker to the current version with the fewest bytes: nothing, the changes since
  /// the version that it holds, or a snapshot; what arrived of it before its last connection was
  /// lost is not sent again.
  private func delivery(
    to entry: SessionTable.Entry, _ outputs: inout [Output]
  ) throws -> AdapterDelivery? {
    let state = server.replicaDigest
    if entry.heldVersion == version, entry.heldState == state { return nil }
    guard let snapshot = server.snapshot else {
      throw FederationError.damagedState("version \(version) has no snapshot")
    }
    func delivery(_ payload: Payload, from base: Int?) -> AdapterDelivery {
      let offset = entry.heldPart.map { $0.digest == payload.digest ? $0.byteCount : 0 } ?? 0
      return AdapterDelivery(
        version: version, baseVersion: base, state: state, payload: payload,
        offset: min(offset, payload.byteCount))
    }
    let whole = delivery(snapshot, from: nil)
    guard let held = entry.heldVersion, let heldState = entry.heldState,
      let broadcasts = server.broadcasts(after: held, held: heldState)
    else { return whole }
    do {
      let change = delivery(try change(by: broadcasts), from: held)
      return change.missingByteCount <= whole.missingByteCount ? change : whole
    } catch {
      guard let reason = reasonToHoldAgain(error) else { throw error }
      outputs.append(
        .report(.disregarded(what: "the changes since version \(held)", reason: reason)))
      return whole
    }
  }

  /// One broadcast as it is, several in a sequence.
  private func change(by broadcasts: [ServerState.Broadcast]) throws -> Payload {
    let payloads = try broadcasts.map { broadcast in
      if let last = server.lastBroadcast, last.digest == broadcast.payload { return last }
      return try log.storedPayload(broadcast.payload)
    }
    if payloads.count == 1 { return payloads[0] }
    return Payload(UpdateSequence.payload(of: try payloads.map { try $0.bytes() }))
  }

  /// The next version, journalled and synced before anyone hears of it.
  private mutating func commit(
    round: Int, _ contributions: [Contribution], at now: RunTime
  ) throws -> [Output] {
    let state: StoredState
    do {
      state = try server.commit(contributions, in: log)
    } catch {
      guard let reason = reasonToHoldAgain(error) else { throw error }
      // What is in memory may be half way to the next version.
      server = try ServerState(
        decoding: log.recovered().state, layout: identity.layout, plan: plan,
        origin: server.origin
      ) { [log] in try log.storedPayload($0) }
      return try decide(.aggregationFailed(round: round, reason: reason), at: now)
    }
    let event = RoundEngine.Event.aggregated(round: round, version: server.version)
    let effects = engine.handle(event, at: now)
    let commit = LoggedCommit(
      version: server.version, round: round, adapter: server.adapterDigest,
      contributions: contributions, broadcast: server.lastBroadcast, state: state, engine: engine,
      event: event)
    try log.commit(commit, at: now)
    let report = RunEvent.Commit(
      round: round, version: version, state: server.adapterDigest, loss: ledger.loss,
      receivedByteCount: ledger.receivedByteCount, sentByteCount: ledger.sentByteCount,
      denseByteCount: contributions.count * identity.layout.count * MemoryLayout<Float>.size,
      tokenCount: ledger.tokenCount,
      seconds: ledger.opened.map { Double((now - $0).wholeNanoseconds) / 1e9 } ?? 0)
    return [.report(.committed(report))] + evaluation() + (try carryOut(effects, at: now))
  }

  private func evaluation() -> [Output] {
    let isLast = version == plan.rounds.versionCount
    let isDue = evaluateEvery > 0 && version % evaluateEvery == 0
    return evaluateEvery >= 0 && (isLast || isDue)
      ? [.evaluate(version: version, server.adapter)] : []
  }

  private mutating func finish(
    _ outcome: RoundEngine.Outcome, at now: RunTime
  ) throws -> [Output] {
    try log.finish(outcome)
    aware = Set(sessions.all.compactMap { sessions[$0]?.worker })
    let farewells = sessions.all.flatMap { connection -> [Output] in
      [.send(connection, finished(outcome)), .close(connection, reason: "the run is over")]
    }
    let state = server.adapterDigest
    return farewells + [
      .report(.finished(version: version, state: state, failure: outcome.failure)),
      .finish(RunOutcome(version: version, state: state, failure: outcome.failure)),
    ]
  }

  private func send(_ message: CoordinatorMessage, to worker: WorkerID) -> [Output] {
    sessions.connection(of: worker).map { [.send($0, message)] } ?? []
  }
}

extension AdapterDelivery {
  /// How much of the payload has to be sent.
  fileprivate var missingByteCount: Int { payload.byteCount - offset }
}

/// What became of a payload that was valid when it was stored; nil for errors that are not about
/// one payload, as those of a disk that fails.
private func reasonToHoldAgain(_ error: any Error) -> String? {
  switch error {
  case RunError.missingPayload(let digest): "the stored payload \(digest) is gone"
  case RunError.damaged(_, let reason): reason
  case UpdateError.storage(.failed), UpdateError.storage(.full): nil
  case UpdateError.diverged: "\(error)"
  case let error as UpdateError: "a stored payload has changed: \(error)"
  default: nil
  }
}

extension RoundEngine.Outcome {
  /// Why there are not more versions; nil when all were made.
  var failure: String? {
    switch self {
    case .completed: nil
    case .failed(_, let reason), .stopped(_, let reason): reason
    }
  }
}
