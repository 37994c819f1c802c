// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Messages
public import Rounds
internal import Tensors
internal import Updates

extension Coordinator {
  /// Takes one input and says what follows from it; `clock` is the machine's.
  ///
  /// - Throws: when the store fails; the coordinator must then not be used any more.
  public mutating func handle(_ input: Input, at clock: RunTime) throws -> [Output] {
    let (now, wake) = self.clock.reading(clock, wanted: wantedWake)
    return (wake.map { [.wake(at: $0)] } ?? []) + (try handle(input, now: now))
  }

  private mutating func handle(_ input: Input, now: RunTime) throws -> [Output] {
    switch input {
    case .opened(let connection, let worker, let address, let hello, let part):
      try open(connection, worker, address: address, hello, part: part, at: now)
    case .received(let connection, let message):
      try receive(message, on: connection, at: now)
    case .closed(let connection, let reason):
      try close(connection, reason: reason, at: now)
    case .woke:
      try decide(.woke, at: now)
    case .evaluated(let version, let loss, let accuracy, let tokenCount):
      [
        .report(
          .evaluated(version: version, loss: loss, accuracy: accuracy, tokenCount: tokenCount))
      ]
    case .stopped(let reason):
      try decide(.stopped(reason: reason), at: now)
    }
  }

  private mutating func open(
    _ connection: ConnectionID, _ worker: WorkerID, address: String, _ hello: Hello,
    part: PayloadInbox.Part?, at now: RunTime
  ) throws -> [Output] {
    if let refusal = identity.refusal(of: hello) {
      return Self.turningAway(worker, on: connection, with: refusal)
    }
    var outputs: [Output] = []
    let entry = SessionTable.Entry(
      worker: worker, heldVersion: hello.heldVersion, heldState: hello.heldState,
      heldPart: hello.part, part: part)
    if let replaced = sessions.open(connection, entry) {
      outputs += Self.replacing(replaced, of: worker, from: address)
      outputs += try decide(.left(worker), at: now)
    }
    outputs += [
      .send(connection, .welcome(identity.welcome(to: plan.run))),
      .report(.joined(worker, address: address)),
    ]
    if let outcome = engine.outcome {
      aware.insert(worker)
      return outputs + [
        .send(connection, finished(outcome)), .close(connection, reason: "the run is over"),
      ]
    }
    return outputs + (try decide(.joined(worker), at: now))
  }

  private mutating func receive(
    _ message: WorkerMessage, on connection: ConnectionID, at now: RunTime
  ) throws -> [Output] {
    guard let entry = sessions[connection] else { return [] }
    switch message {
    case .hello:
      return [.close(connection, reason: "a second hello")]
    case .contribution(let upload):
      return try take(upload, from: entry.worker, on: connection, at: now)
    case .losses:
      return [.close(connection, reason: "losses, where updates are exchanged")]
    case .failed(let round, let reason):
      return try giveUp(round, reason, of: entry.worker, on: connection, at: now)
    case .heartbeat(let heartbeat):
      sessions.note(heartbeat.activity, on: connection)
      return []
    case .farewell(let reason):
      return [.close(connection, reason: reason)]
    case .renewal:
      // Certificates are the transport's affair; one without any lets this through.
      return [.report(.disregarded(what: "a renewal", reason: "there are no certificates here"))]
    }
  }

  /// A worker cannot answer: the engine is asked on a copy whether anybody waits for its answer.
  private mutating func giveUp(
    _ round: Int, _ reason: String, of worker: WorkerID, on connection: ConnectionID,
    at now: RunTime
  ) throws -> [Output] {
    let event = RoundEngine.Event.failed(worker, round: round, reason: reason)
    var asked = engine
    let isNeedless = asked.handle(event, at: now).contains { effect in
      if case .disregard(event, _) = effect { true } else { false }
    }
    if isNeedless { return try decideNeedless(event, from: worker, on: connection, at: now) }
    return [.report(.refused(name: worker.rawValue, reason: reason))] + (try decide(event, at: now))
  }

  /// A contribution is decoded once before anyone counts it; one that cannot be decoded costs its
  /// sender the connection and its place in the round.
  private mutating func take(
    _ upload: Upload, from worker: WorkerID, on connection: ConnectionID, at now: RunTime
  ) throws -> [Output] {
    let contribution = upload.contribution
    if contribution.baseVersion == version, let fault = fault(of: upload) {
      let reason = "its update for round \(contribution.round) is not valid: \(fault)"
      let receipt = Receipt(
        round: contribution.round, payload: contribution.payload, refusal: reason)
      return [
        .report(.refused(name: worker.rawValue, reason: reason)),
        .send(connection, .receipt(receipt)), .close(connection, reason: reason),
      ] + (try decide(.failed(worker, round: contribution.round, reason: reason), at: now))
    }
    // Only what counts is stored: asked of a copy, since the journal comes before the engine.
    var asked = engine
    let event = RoundEngine.Event.contributed(contribution)
    let effects = asked.handle(event, at: now)
    guard effects.contains(.accept(contribution)),
      !effects.contains(.disregard(event, reason: .duplicate))
    else { return try decideNeedless(event, from: worker, on: connection, at: now) }
    ledger.add(
      loss: upload.loss, weight: contribution.exampleCount, tokenCount: upload.tokenCount,
      byteCount: upload.payload.byteCount - upload.offset)
    sessions.note(
      part: PayloadInbox.Part(
        digest: upload.payload.digest, byteCount: upload.payload.byteCount), on: connection)
    let arrival = RunEvent.Arrival(
      round: contribution.round, worker: worker, loss: upload.loss,
      tokenCount: upload.tokenCount,
      seconds: Double(upload.duration.wholeNanoseconds) / 1e9, byteCount: upload.payload.byteCount)
    return [.report(.contributed(arrival))]
      + (try decide(event, storing: upload.payload, at: now))
  }

  /// Journals what changes nothing but a counter, as long as it is little: a worker that sends much
  /// of it would fill the disk, and is cut off instead.
  private mutating func decideNeedless(
    _ event: RoundEngine.Event, from worker: WorkerID, on connection: ConnectionID, at now: RunTime
  ) throws -> [Output] {
    guard sessions.noteNeedless(on: connection) > needlessLimit else {
      return try decide(event, at: now)
    }
    let reason = "it sent \(needlessLimit + 1) messages that no task asked for"
    return [
      .report(.refused(name: worker.rawValue, reason: reason)), .close(connection, reason: reason),
    ]
  }

  /// What is wrong with an upload, if anything.
  private func fault(of upload: Upload) -> String? {
    guard upload.payload.digest == upload.contribution.payload else {
      return "it is not what its digest says"
    }
    guard upload.contribution.exampleCount > 0 else { return "it weighs nothing" }
    do {
      try ContributionReader(plan: plan, layout: identity.layout)
        .check(upload.payload, of: upload.contribution.worker, from: version)
      return nil
    } catch {
      return "\(error)"
    }
  }

  private mutating func close(
    _ connection: ConnectionID, reason: String, at now: RunTime
  ) throws -> [Output] {
    guard let worker = sessions.close(connection) else { return [] }
    return [.report(.left(worker, reason: reason))] + (try decide(.left(worker), at: now))
  }

  func finished(_ outcome: RoundEngine.Outcome) -> CoordinatorMessage {
    .finished(
      Finished(version: version, state: server.adapterDigest, outcome: outcome.failure))
  }
}

/// How many messages that change nothing a worker may send between two tasks: an honest one has an
/// answer or two that came too late.
private let needlessLimit = 16
