// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Messages
public import Rounds
internal import Training
internal import Updates

extension StepCoordinator {
  /// Takes one input and says what follows from it; `clock` is the machine's.
  ///
  /// - Throws: when the store fails; the coordinator must then not be used any more.
  public mutating func handle(
    _ input: Coordinator.Input, at clock: RunTime
  ) throws -> [Coordinator.Output] {
    let (now, wake) = self.clock.reading(clock, wanted: wantedWake)
    return (wake.map { [.wake(at: $0)] } ?? []) + (try handle(input, now: now))
  }

  private mutating func handle(
    _ input: Coordinator.Input, now: RunTime
  ) throws -> [Coordinator.Output] {
    switch input {
    case .opened(let connection, let worker, let address, let hello, _):
      try open(connection, worker, address: address, hello, at: now)
    case .received(let connection, let message): try receive(message, on: connection, at: now)
    case .closed(let connection, let reason): try close(connection, reason: reason, at: now)
    case .woke: try decide(.woke, at: now)
    case .evaluated(let version, let loss, let accuracy, let tokenCount):
      [
        .report(
          .evaluated(version: version, loss: loss, accuracy: accuracy, tokenCount: tokenCount))
      ]
    case .stopped(let reason): try decide(.stopped(reason: reason), at: now)
    }
  }

  /// Lets the engine handle an event, then carries out what follows.
  mutating func decide(
    _ event: StepEngine.Event, at now: RunTime
  ) throws -> [Coordinator.Output] {
    try carryOut(engine.handle(event, at: now), at: now)
  }

  private mutating func open(
    _ connection: ConnectionID, _ worker: WorkerID, address: String, _ hello: Hello,
    at now: RunTime
  ) throws -> [Coordinator.Output] {
    if let refusal = identity.refusal(of: hello) {
      return Coordinator.turningAway(worker, on: connection, with: refusal)
    }
    var outputs: [Coordinator.Output] = []
    let entry = SessionTable.Entry(
      worker: worker, heldVersion: hello.heldVersion, heldState: hello.heldState,
      heldPart: hello.part)
    if let replaced = sessions.open(connection, entry) {
      outputs += Coordinator.replacing(replaced, of: worker, from: address)
      outputs += try decide(.left(worker), at: now)
    }
    outputs += [
      .send(connection, .welcome(identity.welcome(to: plan.run))),
      .report(.joined(worker, address: address)),
    ]
    participants.insert(worker)
    if let outcome = engine.outcome {
      aware.insert(worker)
      return outputs + [
        .send(connection, finished(outcome)), .close(connection, reason: "the run is over"),
      ]
    }
    return outputs + (try decide(.joined(worker, data: hello.data), at: now))
  }

  private mutating func receive(
    _ message: WorkerMessage, on connection: ConnectionID, at now: RunTime
  ) throws -> [Coordinator.Output] {
    guard let entry = sessions[connection] else { return [] }
    switch message {
    case .losses(let report): return try take(report, from: entry.worker, connection, at: now)
    case .failed(let step, let reason):
      return [.report(.refused(name: entry.worker.rawValue, reason: reason))]
        + (try decide(.failed(entry.worker, step: step, reason: reason), at: now))
    case .heartbeat: return []
    case .farewell(let reason): return [.close(connection, reason: reason)]
    case .hello: return [.close(connection, reason: "a second hello")]
    case .contribution: return [.close(connection, reason: "an update, where losses are exchanged")]
    case .renewal:
      // Certificates are the transport's affair; one without any lets this through.
      return [.report(.disregarded(what: "a renewal", reason: "there are no certificates here"))]
    }
  }

  private mutating func close(
    _ connection: ConnectionID, reason: String, at now: RunTime
  ) throws -> [Coordinator.Output] {
    guard let worker = sessions.close(connection) else { return [] }
    return [.report(.left(worker, reason: reason))] + (try decide(.left(worker), at: now))
  }

  func finished(_ outcome: RoundEngine.Outcome) -> CoordinatorMessage {
    .finished(Finished(version: version, state: adapter.digest, outcome: outcome.failure))
  }
}

// MARK: - Answers

extension StepCoordinator {
  /// What an answer that nobody asked for, or that is not what was asked for, comes to: it changes
  /// nothing but a count.
  private mutating func take(
    _ report: LossReport, from worker: WorkerID, _ connection: ConnectionID, at now: RunTime
  ) throws -> [Coordinator.Output] {
    if let reason = engine.reasonToDisregard(worker, step: report.step) {
      tally.refusedCount += 1
      _ = engine.handle(.answered(worker, step: report.step), at: now)
      return try refuse(
        report, from: worker, connection, because: reason.rawValue, isGrave: false)
    }
    if let fault = fault(of: report, from: worker) {
      tally.refusedCount += 1
      return try refuse(report, from: worker, connection, because: fault, isGrave: true)
        + decide(.failed(worker, step: report.step, reason: fault), at: now)
    }
    guard report.state == comparedState else {
      tally.refusedCount += 1
      let reason =
        "its adapter at version \(version) is not the run's; it is sent one before it counts again"
      quarantined.insert(worker)
      return try refuse(report, from: worker, connection, because: reason, isGrave: false)
        + decide(.failed(worker, step: report.step, reason: reason), at: now)
    }
    answers[worker] = Answer(
      report: report, signs: engine.signs(of: worker, in: report.step) ?? .both)
    tally.receivedByteCount += report.losses.count * MemoryLayout<Double>.size
    return try decide(.answered(worker, step: report.step), at: now)
  }

  private mutating func refuse(
    _ report: LossReport, from worker: WorkerID, _ connection: ConnectionID,
    because reason: String, isGrave: Bool
  ) throws -> [Coordinator.Output] {
    let isTooMuch = sessions.noteNeedless(on: connection) > needlessAnswerLimit
    return [
      .report(.refused(name: worker.rawValue, reason: "losses of step \(report.step): \(reason)")),
      .send(connection, .released(round: report.step, reason: reason)),
    ] + (isGrave || isTooMuch ? [.close(connection, reason: reason)] : [])
  }

  /// What is wrong with an answer to the open step, if anything.
  private func fault(of report: LossReport, from worker: WorkerID) -> String? {
    guard report.baseVersion == version else {
      return "evaluated at version \(report.baseVersion) instead of \(version)"
    }
    guard let queries = engine.queries(of: worker, in: report.step),
      let signs = engine.signs(of: worker, in: report.step),
      report.firstQuery == queries.lowerBound
    else { return "of queries from \(report.firstQuery), which it was not given" }
    let expected = settings.estimator.lossCount(of: queries.count, on: signs.sides)
    guard report.losses.count == expected else {
      let asked = signs == .both ? "" : " with one sign"
      return "\(report.losses.count) losses where \(queries.count) queries\(asked) have \(expected)"
    }
    guard (report.state != nil) == (comparedState != nil) else {
      return "the adapter's digest is \(report.state == nil ? "missing" : "not asked for")"
    }
    return nil
  }
}

/// How many answers that change nothing a worker may send between two tasks.
private let needlessAnswerLimit = 16
