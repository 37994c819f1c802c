// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Messages
internal import Randomness
internal import Rounds
internal import Tensors
internal import Training
internal import Updates

/// What the workers' shells do: connect, train, remember, send, and die.
extension Fleet {
  mutating func startWorker(_ index: Int) {
    guard !workers[index].isDone else { return }
    history.note(now, 20, index, text: "\(workers[index].id) starts")
    workers[index].isRunning = true
    connect(index)
  }

  /// The process dies; somebody starts it again after a while.
  mutating func killWorker(_ index: Int) {
    guard workers[index].isRunning else { return }
    history.note(now, 21, index, text: "\(workers[index].id) dies")
    if let link = workers[index].link {
      // What its kernel had taken may still arrive.
      if coin() { links[link]?.isUpLost = true }
      closeWorkerEnd(link, isNoticed: random.integer(below: 4) > 0)
    }
    workers[index].isRunning = false
    workers[index].life += 1
    workers[index].worker = nil
    workers[index].stoppedUntil = 0
    workers[index].wantedVersion = nil
    workers[index].ledger = workers[index].rememberedLedger
    workers[index].backoff.reset()
    if strikes(.forgottenMemory) {
      workers[index].memory = nil
      workers[index].rememberedLedger = Ledger(count: scenario.layout.count)
      workers[index].ledger = workers[index].rememberedLedger
      workers[index].isAccountable = false
    }
    let delay = draw(seconds(0.1)...seconds(8))
    add(.startWorker(index, life: workers[index].life), after: delay)
  }

  mutating func hear(_ message: CoordinatorMessage, _ index: Int) throws {
    history.note(now, 22, index, text: "\(workers[index].id) hears it")
    switch message {
    case .welcome: try enrol(index)
    case .refused(let refusal):
      try require(
        refusal.code == .replaced, "\(workers[index].id) is refused: \(refusal.reason)")
      killWorker(index)
    case .assignment(let assignment):
      try obey(index) { try $0.assigned(assignment) }
      if let held = workers[index].worker?.held {
        try require(
          held.state == oracle.replicas[held.version],
          "\(workers[index].id) holds another version \(held.version) than the coordinator")
      }
    case .released(let round, let reason):
      try obey(index) { $0.released(round: round, reason: reason) }
    case .finished(let finished):
      try require(
        finished.version == oracle.version && finished.state == oracle.adapters[oracle.version],
        "\(workers[index].id) hears of another end, version \(finished.version)")
      workers[index].isDone = true
      if let link = workers[index].link { closeWorkerEnd(link, isNoticed: true) }
    case .step: throw Breach("a step in a run by rounds")
    case .receipt, .heartbeat, .renewed: break
    }
  }

  private mutating func enrol(_ index: Int) throws {
    workers[index].backoff.reset()
    guard workers[index].worker == nil else { return }
    workers[index].worker = try Worker(
      id: workers[index].id, plan: scenario.plan, layout: scenario.layout,
      initialAdapter: scenario.initialAdapter, remembered: workers[index].memory, from: "memory")
  }

  /// Lets a worker decide something, and does what it orders until it dies.
  private mutating func obey(
    _ index: Int, learning learned: (version: Int, delta: ParameterVector)? = nil,
    _ decide: (inout Worker) throws -> [Worker.Order]
  ) throws {
    guard var worker = workers[index].worker else {
      throw Breach("\(workers[index].id) hears something before the welcome")
    }
    let orders: [Worker.Order]
    do {
      orders = try decide(&worker)
    } catch let error as UpdateError where learned != nil {
      // Numbers beyond all bounds, learned from such numbers.
      return try obey(index) { $0.failed(version: learned?.version ?? 0, reason: "\(error)") }
    } catch {
      throw Breach("\(workers[index].id) cannot follow: \(error)")
    }
    workers[index].worker = worker
    if let learned, !orders.isEmpty {
      try workers[index].ledger.learn(learned.delta, from: learned.version)
    }
    let life = workers[index].life
    for order in orders {
      guard workers[index].life == life else { return }
      try carryOut(order, index)
    }
  }

  private mutating func carryOut(_ order: Worker.Order, _ index: Int) throws {
    switch order {
    case .remember(let bytes):
      let isFatal = strikes(.workerKillAtMemory)
      if isFatal, coin() { return killWorker(index) }
      workers[index].memory = bytes
      workers[index].rememberedLedger = workers[index].ledger
      if isFatal { killWorker(index) }
    case .send(let message):
      let isFatal = strikes(.workerKillAtSend)
      if isFatal, coin() { return killWorker(index) }
      if case .contribution(let upload) = message {
        workers[index].sentPayloads.insert(upload.contribution.payload)
        try sendWithMischief(upload, index)
      } else if let link = workers[index].link {
        sendUp(message, on: link)
      }
      if isFatal { killWorker(index) }
    case .train(let job): train(job, index)
    case .rest: workers[index].wantedVersion = nil
    }
  }

  private mutating func train(_ job: Worker.TrainingJob, _ index: Int) {
    let deadline = scenario.plan.rounds.deadline.nanoseconds
    let duration =
      strikes(.slowTraining)
      ? draw(0...(2 * deadline)) : draw(seconds(0.05)...min(seconds(3), deadline / 3))
    workers[index].trainingNumber += 1
    workers[index].wantedVersion = job.version
    let isFailure = strikes(.failedTraining)
    history.note(
      now, 23, index, job.version,
      text: "\(workers[index].id) learns from version \(job.version) for round \(job.round)")
    add(
      .trained(
        index, job, number: workers[index].trainingNumber, life: workers[index].life,
        isFailure: isFailure, began: now),
      after: duration)
  }

  mutating func finishTraining(
    _ index: Int, _ job: Worker.TrainingJob, isWanted: Bool, isFailure: Bool, began: Int64
  ) throws {
    // Training that is of no use any more ends with its next step, unless that was the last.
    let isUseful = workers[index].wantedVersion == job.version
    guard isUseful || random.integer(below: 8) == 0 else { return }
    history.note(
      now, 24, index, job.version, isWanted ? 1 : 0,
      text: "\(workers[index].id) has \(isFailure ? "failed to learn" : "learned") from version "
        + "\(job.version)")
    if isFailure {
      return try obey(index) { $0.failed(version: job.version, reason: "out of memory") }
    }
    let result = pretendedLearning(
      of: index, from: job.start, version: job.version, in: scenario)
    let duration = Duration.nanoseconds(now - began)
    try obey(index, learning: (job.version, result.delta)) {
      try $0.trained(result, version: job.version, in: duration)
    }
  }
}
