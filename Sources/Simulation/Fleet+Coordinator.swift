// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Messages
internal import Randomness
internal import Rounds

/// What the coordinator's shell does: delivers inputs, carries outputs out, and dies.
extension Fleet {
  mutating func startCoordinator() throws {
    if coordinatorLife > 0 { tally.recoveryCount += 1 }
    history.note(now, 10, coordinatorLife, text: "the coordinator starts")
    armLog()
    do {
      var coordinator = try Coordinator(
        plan: scenario.plan, identity: identity, log: log,
        initialAdapter: scenario.initialAdapter,
        evaluateEvery: scenario.plan.rounds.versionCount % 2 - 1)
      let outputs = try coordinator.start(at: clock)
      self.coordinator = coordinator
      try settle(outputs)
    } catch is FragileLog.Killed {
      tally.count(.coordinatorKillAtWrite)
      endCoordinator()
    }
  }

  mutating func deliver(_ input: Coordinator.Input) throws {
    guard coordinator != nil else { return }
    tally.inputCount += 1
    history.note(now, 11, input.code, text: "coordinator <- \(input.text)")
    armLog()
    let clock = self.clock
    do {
      let outputs = try coordinator?.handle(input, at: clock) ?? []
      try settle(outputs)
    } catch is FragileLog.Killed {
      tally.count(.coordinatorKillAtWrite)
      killCoordinator()
    }
  }

  /// What a fault has drawn for the next writes.
  private mutating func armLog() {
    log.disarm()
    guard isFaulty, let rate = scenario.rates[.coordinatorKillAtWrite], rate > 0,
      random.integer(below: rate) == 0
    else { return }
    log.arm(after: random.integer(below: 3), isAfter: coin())
  }

  /// Sees that all is well after an input, then does what follows from it, perhaps not all.
  private mutating func settle(_ outputs: [Coordinator.Output]) throws {
    log.disarm()
    try checkCommits()
    try checkCoordinator()
    guard strikes(.coordinatorKillAtOutput) else {
      try carryOut(outputs[...])
      return try checkExpectations()
    }
    try carryOut(outputs.prefix(random.integer(below: outputs.count + 1)))
    killCoordinator()
  }

  private mutating func carryOut(_ outputs: ArraySlice<Coordinator.Output>) throws {
    for output in outputs {
      switch output {
      case .send(let connection, let message):
        history.note(
          now, 12, connection.number,
          text: "coordinator -> \(connection.number): \(message.text)")
        try checkSent(message, on: connection.number)
        try sendDown(message, on: connection.number)
      case .close(let connection, let reason):
        // The outbox is emptied first.
        if let link = links[connection.number], link.isCoordinatorOpen {
          add(
            .endAtCoordinator(link: connection.number, reason: reason),
            after: draw(0...seconds(0.01)))
        }
      case .wake(let time): ask(for: time)
      case .evaluate(let version, let adapter):
        try checkEvaluated(version, adapter)
      case .report: break
      case .finish(let outcome):
        history.note(now, outcome.state, text: "the run ends with version \(outcome.version)")
        self.outcome = outcome
        endsAt = now + seconds(2)
      }
    }
  }

  mutating func killCoordinator() {
    if coordinator != nil { endCoordinator() }
  }

  private mutating func endCoordinator() {
    history.note(now, 13, coordinatorLife, text: "the coordinator dies")
    log.disarm()
    coordinator = nil
    coordinatorLife += 1
    coordinatorStoppedUntil = 0
    outcome = nil
    endsAt = .max
    wakes = []
    for number in links.keys.sorted() {
      links[number]?.isUpLost = true
      // What its kernel had taken may still arrive.
      if coin() { links[number]?.isDownLost = true }
      closeCoordinatorEnd(number, isNoticed: random.integer(below: 4) > 0)
    }
    add(.startCoordinator(life: coordinatorLife), after: draw(seconds(0.1)...seconds(8)))
  }
}

// MARK: Time

extension Fleet {
  /// The shell sleeps for as long as it is until `time`, whatever becomes of the clock meanwhile.
  private mutating func ask(for time: RunTime) {
    let wait = max(0, (time - clock).nanoseconds)
    guard wait < 1 << 60 else { return }
    wakes.append(now + wait)
    queue.add(.wake(life: coordinatorLife), at: now + wait)
  }

  mutating func wake() throws {
    guard wakes.contains(where: { $0 <= now }) else { return }
    wakes.removeAll { $0 <= now }
    try deliver(.woke)
  }

  /// The clock is put forward or back.
  mutating func jump(by nanoseconds: Int64) {
    clockOffset += nanoseconds
    history.note(now, 14, Int(nanoseconds), text: "the clock jumps by \(nanoseconds) ns")
  }
}
