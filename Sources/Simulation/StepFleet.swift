// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Messages
internal import Randomness
internal import Rounds
internal import Runs
internal import Tensors
internal import Training
internal import Updates

/// A coordinator of steps, its workers and the network between them in virtual time, one thing after
/// the other: the same seed gives the same history everywhere.
struct StepFleet {
  /// A worker's process, and what is known of it from outside.
  struct Process {
    let index: Int
    let id: WorkerID
    var life = 0
    var isRunning = false
    var worker: StepWorker?
    var connection: Int?
    /// Whether its replica was tampered with, and not yet replaced.
    var isTampered = false
    var isDone = false
  }

  struct Connection {
    let worker: Int
    let life: Int
    var isOpen = true
    var isGreeted = false
    var lastUp: Int64 = 0
    var lastDown: Int64 = 0
  }

  enum Occurrence {
    case startCoordinator(life: Int)
    case startWorker(Int, life: Int)
    case connect(Int, life: Int)
    case arriveUp(Int, WorkerMessage)
    case arriveDown(Int, CoordinatorMessage)
    case closed(Int)
    case evaluated(Int, StepWorker.Job, life: Int)
    case wake(life: Int)
    case strike
  }

  let scenario: StepScenario
  let identity: Coordinator.Identity
  let log: FragileStepLog
  var random: RandomStream
  var queue = EventQueue<Occurrence>()
  var now: Int64 = 0
  var history: History
  var coordinator: StepCoordinator?
  var coordinatorLife = 0
  var outcome: Coordinator.RunOutcome?
  var connections: [Int: Connection] = [:]
  var connectionCount = 0
  var processes: [Process]
  var oracle: StepOracle
  var counts: [StepScenario.Mischief: Int] = [:]
  var quarantineCount = 0
  /// How many tasks of one sign were given.
  var splitTaskCount = 0

  init(seed: UInt64, versionCount: Int, isWritten: Bool) throws {
    scenario = StepScenario(seed: seed, versionCount: versionCount)
    identity = try Coordinator.Identity(
      model: Digest(of: [1, 2, 3]), layout: scenario.layout, plan: scenario.plan,
      heartbeatInterval: .seconds(2))
    random = RandomStream(Seed(seed).derived("step fleet"))
    history = History(isWritten: isWritten)
    oracle = try StepOracle(scenario)
    log = FragileStepLog(
      scenario.usesRunStore
        ? try oracle.store(of: identity, scenario) : MemoryStepLog(first: try oracle.first()))
    processes = scenario.workers.enumerated().map { Process(index: $0, id: $1) }
    add(.startCoordinator(life: 0), after: 0)
    for process in processes { add(.startWorker(process.index, life: 0), after: draw(0, 0.5)) }
    for _ in 0..<6 { add(.strike, after: draw(0, Double(scenario.faultsUntil) / 1e9)) }
  }

  /// Runs to the end.
  ///
  /// - Throws: `Breach` at the first promise that is not kept.
  mutating func run() throws {
    var eventCount = 0
    let versionCount = scenario.plan.rounds.versionCount
    let horizon = scenario.faultsUntil + seconds(60 + 30 * Double(versionCount))
    while let next = queue.next() {
      now = next.time
      eventCount += 1
      if outcome != nil, processes.allSatisfy({ $0.isDone || !$0.isRunning }) { break }
      try require(
        now <= horizon && eventCount < 400 * versionCount + 100_000,
        "not over after \(eventCount) events: \(line)")
      try happen(next.event)
    }
    try require(outcome?.failure == nil && outcome?.version == versionCount, "ended \(line)")
    try oracle.checkEnd(log, scenario)
  }

  var line: String { coordinator?.status.line(at: clock) ?? "there is no coordinator" }
  var clock: RunTime { RunTime(nanoseconds: Fleet.beginning + now) }

  mutating func add(_ event: Occurrence, after delay: Int64) {
    queue.add(event, at: now + max(0, delay))
  }

  mutating func draw(_ least: Double, _ most: Double) -> Int64 {
    seconds(least) + Int64(random.integer(below: Int(seconds(most) - seconds(least)) + 1))
  }

  /// Whether something goes wrong on this occasion.
  mutating func strikes(_ mischief: StepScenario.Mischief) -> Bool {
    guard now < scenario.faultsUntil, outcome == nil, let rate = scenario.rates[mischief],
      random.integer(below: rate) == 0
    else { return false }
    counts[mischief, default: 0] += 1
    return true
  }

  private mutating func happen(_ event: Occurrence) throws {
    switch event {
    case .startCoordinator(let life):
      if life == coordinatorLife, coordinator == nil { try startCoordinator() }
    case .startWorker(let index, let life):
      if life == processes[index].life { try startWorker(index) }
    case .connect(let index, let life):
      if life == processes[index].life, processes[index].connection == nil { connect(index) }
    case .arriveUp(let number, let message): try arriveUp(message, on: number)
    case .arriveDown(let number, let message): try arriveDown(message, on: number)
    case .closed(let number): try close(number)
    case .evaluated(let index, let job, let life):
      if life == processes[index].life { try answer(index, job) }
    case .wake(let life):
      if life == coordinatorLife { try deliver(.woke) }
    case .strike: strike()
    }
  }

  /// What happens to processes by itself.
  private mutating func strike() {
    guard now < scenario.faultsUntil, outcome == nil else { return }
    let index = random.integer(below: processes.count)
    if scenario.rates[.workerKill] != nil { killWorker(index) }
    if scenario.rates[.coordinatorKill] != nil, random.integer(below: 3) == 0 { killCoordinator() }
    if scenario.rates[.bitFlip] != nil, processes[index].worker?.flipBit() == true {
      processes[index].isTampered = true
      counts[.bitFlip, default: 0] += 1
    }
    add(.strike, after: draw(0.1, 10))
  }
}

// MARK: - The coordinator's shell

extension StepFleet {
  private mutating func startCoordinator() throws {
    history.note(now, 1, coordinatorLife, text: "the coordinator starts")
    var coordinator = try StepCoordinator(
      plan: scenario.plan, identity: identity, log: log,
      initialAdapter: scenario.initialAdapter, evaluateEvery: -1, now: clock)
    try oracle.checkRecovered(coordinator.version, coordinator.adapter)
    oracle.forgetEvaluations()
    let outputs = try coordinator.start(at: clock)
    self.coordinator = coordinator
    try carryOut(outputs)
  }

  mutating func deliver(_ input: Coordinator.Input) throws {
    guard coordinator != nil else { return }
    history.note(now, 2, input.code, text: "coordinator <- \(input.text)")
    log.death = strikes(.coordinatorKill) ? (random.integer(below: 2) == 0 ? .before : .after) : nil
    let clock = self.clock
    do {
      let outputs = try coordinator?.handle(input, at: clock) ?? []
      try oracle.follow(log, scenario)
      try oracle.check(coordinator)
      try carryOut(outputs)
    } catch is FragileLog.Killed {
      try oracle.follow(log, scenario)
      killCoordinator()
    }
  }

  private mutating func carryOut(_ outputs: [Coordinator.Output]) throws {
    for output in outputs {
      switch output {
      case .send(let connection, let message): send(message, on: connection.number)
      case .close(let connection, _): add(.closed(connection.number), after: draw(0.05, 0.06))
      case .wake(let time):
        add(.wake(life: coordinatorLife), after: (time - clock).nanoseconds)
      case .report(.refused(_, let reason)):
        if reason.contains("is sent one") { quarantineCount += 1 }
      case .report, .evaluate: break
      case .finish(let outcome):
        history.note(now, outcome.state, text: "the run ends with version \(outcome.version)")
        self.outcome = outcome
      }
    }
  }

  private mutating func killCoordinator() {
    guard coordinator != nil, outcome == nil else { return }
    history.note(now, 3, coordinatorLife, text: "the coordinator dies")
    coordinator = nil
    coordinatorLife += 1
    log.death = nil
    for number in connections.keys.sorted() { breakConnection(number) }
    add(.startCoordinator(life: coordinatorLife), after: draw(0.1, 3))
  }
}
