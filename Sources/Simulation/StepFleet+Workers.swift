// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Messages
internal import Randomness
internal import Rounds
internal import Updates

/// The workers, and what the network does to messages.
extension StepFleet {
  mutating func startWorker(_ index: Int) throws {
    guard !processes[index].isRunning else { return }
    processes[index].isRunning = true
    processes[index].worker = try StepWorker(
      plan: scenario.plan, initialAdapter: scenario.initialAdapter)
    processes[index].isTampered = false
    connect(index)
  }

  mutating func killWorker(_ index: Int) {
    guard processes[index].isRunning, !processes[index].isDone else { return }
    history.note(now, 4, index, text: "\(processes[index].id) dies")
    processes[index].isRunning = false
    processes[index].worker = nil
    processes[index].life += 1
    if let number = processes[index].connection { breakConnection(number) }
    add(.startWorker(index, life: processes[index].life), after: draw(0.1, 4))
  }

  mutating func connect(_ index: Int) {
    guard processes[index].isRunning, !processes[index].isDone else { return }
    guard coordinator != nil else { return comeBack(index) }
    connectionCount += 1
    connections[connectionCount] = Connection(worker: index, life: processes[index].life)
    processes[index].connection = connectionCount
    processes[index].worker?.reconnected()
    let held = processes[index].worker?.held
    history.note(
      now, 5, index, connectionCount, text: "\(processes[index].id) opens \(connectionCount)")
    send(
      .hello(
        Hello(
          software: "simulated", model: identity.model, layout: nil, heldVersion: held?.version,
          heldState: held?.state, memoryByteCount: 1, coreCount: 1, exampleCount: 0,
          data: scenario.dataDigests[index])),
      on: connectionCount)
  }

  private mutating func comeBack(_ index: Int) {
    add(.connect(index, life: processes[index].life), after: draw(0.05, 1))
  }

  /// The connection breaks: what is on its way is lost, and both ends learn of it at once.
  mutating func breakConnection(_ number: Int) {
    guard connections[number]?.isOpen == true else { return }
    connections[number]?.isOpen = false
    add(.closed(number), after: draw(0, 0.05))
  }

  mutating func close(_ number: Int) throws {
    guard let connection = connections.removeValue(forKey: number) else { return }
    history.note(now, 6, number, text: "\(number) is over")
    if processes[connection.worker].connection == number {
      processes[connection.worker].connection = nil
      if processes[connection.worker].isRunning { comeBack(connection.worker) }
    }
    if connection.isGreeted { try deliver(.closed(ConnectionID(number), reason: "closed")) }
  }

  /// When a message arrives: after those before it, unless something goes wrong.
  private mutating func arrival(after last: Int64) -> Int64 {
    let usual = now + draw(0.0001, 0.02) + (strikes(.delay) ? draw(0, 6) : 0)
    return strikes(.reorder) ? usual : max(usual, last + 1)
  }

  mutating func send(_ message: WorkerMessage, on number: Int) {
    guard let connection = connections[number], connection.isOpen else { return }
    let isHello = if case .hello = message { true } else { false }
    if !isHello, strikes(.drop) { return }
    for _ in 0..<(!isHello && strikes(.duplicate) ? 2 : 1) {
      let time = arrival(after: connection.lastUp)
      connections[number]?.lastUp = max(time, connection.lastUp)
      queue.add(.arriveUp(number, message), at: time)
    }
    if strikes(.cut) { breakConnection(number) }
  }

  mutating func send(_ message: CoordinatorMessage, on number: Int) {
    guard let connection = connections[number], connection.isOpen else { return }
    let isLast = if case .finished = message { true } else { false }
    if !isLast, strikes(.drop) { return }
    for _ in 0..<(!isLast && strikes(.duplicate) ? 2 : 1) {
      let time = arrival(after: connection.lastDown)
      connections[number]?.lastDown = max(time, connection.lastDown)
      queue.add(.arriveDown(number, message), at: time)
    }
  }

  mutating func arriveUp(_ message: WorkerMessage, on number: Int) throws {
    guard let connection = connections[number], connection.isOpen, coordinator != nil else {
      return
    }
    if case .hello(let hello) = message {
      connections[number]?.isGreeted = true
      return try deliver(
        .opened(
          ConnectionID(number), processes[connection.worker].id, address: "here", hello,
          part: nil))
    }
    guard connection.isGreeted else { return }
    try deliver(.received(ConnectionID(number), message))
  }

  mutating func arriveDown(_ message: CoordinatorMessage, on number: Int) throws {
    guard let connection = connections[number], connection.isOpen,
      processes[connection.worker].life == connection.life,
      processes[connection.worker].connection == number
    else { return }
    let index = connection.worker
    history.note(now, 7, index, text: "\(processes[index].id) <- \(message.text)")
    switch message {
    case .step(let task):
      if task.signs != .both { splitTaskCount += 1 }
      if task.history?.baseVersion == nil, task.history != nil {
        processes[index].isTampered = false
      }
      try obey(index, on: number) { try $0.assigned(task) }
    case .released(let step, let reason):
      try obey(index, on: number) { $0.released(step: step, reason: reason) }
    case .finished(let finished):
      try oracle.checkEnd(finished)
      processes[index].isDone = true
    case .refused: breakConnection(number)
    case .welcome, .heartbeat, .renewed: break
    case .assignment, .receipt: throw Breach("a round in a run by steps")
    }
  }

  /// Lets a worker decide something; what it cannot follow costs it the connection.
  private mutating func obey(
    _ index: Int, on number: Int, _ decide: (inout StepWorker) throws -> [StepWorker.Order]
  ) throws {
    guard var worker = processes[index].worker else { return }
    let orders: [StepWorker.Order]
    do {
      orders = try decide(&worker)
    } catch {
      history.note(now, 8, index, text: "\(processes[index].id) cannot follow: \(error)")
      orders = []
      breakConnection(number)
    }
    processes[index].worker = worker
    if !processes[index].isTampered {
      try oracle.checkReplica(worker.held?.version ?? 0, worker.adapter, of: processes[index].id)
    }
    for order in orders {
      switch order {
      case .send(let message): send(message, on: number)
      case .evaluate(let job):
        let usual = draw(0.001, 0.01) * Int64(1 + index * job.queries.count)
        add(
          .evaluated(index, job, life: processes[index].life),
          after: usual + (strikes(.slow) ? draw(0.2, 8) : 0))
      case .rest: break
      }
    }
  }

  mutating func answer(_ index: Int, _ job: StepWorker.Job) throws {
    guard let number = processes[index].connection else { return }
    if strikes(.failure) {
      return try obey(index, on: number) { $0.failed(step: job.step, reason: "pretended") }
    }
    let data = scenario.data[index]
    var losses = pretendedLosses(
      ofData: data, at: job.adapter, step: job.step, queries: job.queries.map { UInt32($0) },
      job.signs, plan: scenario.plan)
    if strikes(.nonFinite) { losses[random.integer(below: losses.count)] = .nan }
    if strikes(.falseAnswer) { send(falseAnswer(to: job, losses), on: number) }
    var isWanted = false
    try obey(index, on: number) {
      let orders = $0.evaluated(losses, of: job, exampleCount: 1 + index, tokenCount: 10)
      isWanted = !orders.isEmpty
      return orders
    }
    if isWanted { oracle.note(job, onData: data) }
  }

  /// An answer that must change nothing.
  private mutating func falseAnswer(
    to job: StepWorker.Job, _ losses: [Double]
  ) -> WorkerMessage {
    let kind = random.integer(below: 5)
    // With one sign as many as with both.
    let surplus = job.signs == .both ? [1] : losses
    return .losses(
      LossReport(
        step: job.step + [1, -1, 0, 0, 0][kind],
        baseVersion: max(0, job.version + [0, 0, 1, 0, 0][kind]),
        firstQuery: job.queries.lowerBound + [0, 0, 0, 1, 0][kind],
        losses: losses + (kind == 4 ? surplus : []), exampleCount: 1, tokenCount: 1,
        state: job.version % comparedVersionInterval == 0 ? job.adapter.digest : nil))
  }
}
