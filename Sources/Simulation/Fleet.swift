// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Messages
internal import Randomness
internal import Rounds
internal import Runs
internal import Tensors

/// A coordinator, its workers and the network between them in virtual time.
///
/// Everything is drawn from one seed and happens in one thread, one thing after the other: the
/// same seed gives the same history everywhere.
struct Fleet {
  let scenario: Scenario
  let identity: Coordinator.Identity
  var random: RandomStream
  var queue = EventQueue<Occurrence>()
  var now: Int64 = 0
  var history: History
  var tally = FaultTally()

  // The coordinator's machine.
  let log: FragileLog
  var coordinator: Coordinator?
  var coordinatorLife = 0
  var coordinatorStoppedUntil: Int64 = 0
  /// How far the coordinator's clock is from the true time.
  var clockOffset: Int64 = 0
  /// When the coordinator's shell wakes it.
  var wakes: [Int64] = []
  var outcome: Coordinator.RunOutcome?
  var endsAt: Int64 = .max

  // The network and the workers.
  var links: [Int: Link] = [:]
  var linkCount = 0
  var workers: [VirtualWorker]

  // What everything is held against.
  var oracle: Oracle
  let undisturbed: Oracle?
  let firstEngine: RoundEngine
  /// The last contribution of each worker that was counted.
  var counted: [WorkerID: Contribution] = [:]
  /// The sum of each worker's own updates that were counted.
  var countedSums: [Ledger]
  /// The last round that was assigned, and the version that it learns from.
  var lastAssigned = (round: 0, version: 0)
  var wasStopped = false

  /// What can happen.
  enum Occurrence {
    case startCoordinator(life: Int)
    case startWorker(Int, life: Int)
    case connect(Int, life: Int)
    case arriveUp(link: Int, WorkerMessage)
    case arriveDown(link: Int, CoordinatorMessage, life: Int)
    case endAtCoordinator(link: Int, reason: String)
    case endAtWorker(link: Int)
    case trained(Int, Worker.TrainingJob, number: Int, life: Int, isFailure: Bool, began: Int64)
    case wake(life: Int)
    case strike(Fault)
  }

  static let beginning: Int64 = 1_700_000_000_000_000_000

  init(seed: UInt64, isWritten: Bool) throws {
    let scenario = Scenario(seed: seed)
    let plan = scenario.plan
    self.scenario = scenario
    identity = try Coordinator.Identity(
      model: Digest(of: [1, 2, 3]), layout: scenario.layout, plan: plan,
      heartbeatInterval: .seconds(2))
    random = RandomStream(Seed(seed).derived("fleet"))
    history = History(isWritten: isWritten)
    let beginning = try RunBeginning(
      plan: plan, identity: identity, initialAdapter: scenario.initialAdapter,
      now: RunTime(nanoseconds: Self.beginning))
    log = FragileLog(
      scenario.usesRunStore
        ? try beginning.store(at: .memory) : try MemoryLog(beginning))
    workers = scenario.workers.enumerated().map {
      VirtualWorker(
        index: $0, id: $1, seed: Seed(seed), parameterCount: scenario.layout.count)
    }
    firstEngine = beginning.engine
    countedSums = workers.map { _ in Ledger(count: scenario.layout.count) }
    oracle = Oracle(scenario)
    undisturbed = scenario.isComparable ? try Oracle.undisturbed(scenario) : nil
    add(.startCoordinator(life: 0), after: 0)
    for worker in workers.indices {
      add(.startWorker(worker, life: 0), after: draw(0...seconds(1)))
    }
    scheduleStrikes()
  }

  /// By when the run must be over, however it was disturbed before.
  var horizon: Int64 {
    let rules = scenario.plan.rounds
    let attempt = rules.deadline.nanoseconds + rules.retryDelay.nanoseconds + seconds(10)
    return scenario.faultsUntil + seconds(60)
      + attempt * Int64(rules.versionCount + 4) + rules.absenceGrace.nanoseconds
  }

  /// Runs to the end.
  ///
  /// - Throws: `Breach` at the first promise that is not kept.
  mutating func run() throws {
    var stepCount = 0
    while let next = queue.next(), next.time <= endsAt {
      now = next.time
      stepCount += 1
      if outcome == nil {
        try require(now <= horizon, "not over \(now / 1_000_000_000) s after it began: \(line)")
        try require(stepCount < 100_000, "not over after \(stepCount) steps: \(line)")
      }
      try happen(next.event)
    }
    try checkEnd()
  }

  var line: String { coordinator?.status.line(at: clock) ?? "there is no coordinator" }

  /// The time by the coordinator's clock.
  var clock: RunTime { RunTime(nanoseconds: Self.beginning + now + clockOffset) }

  var isFaulty: Bool { now < scenario.faultsUntil && outcome == nil }

  mutating func add(_ event: Occurrence, after delay: Int64) {
    queue.add(event, at: now + max(0, delay))
  }

  /// Whether a fault happens on this occasion.
  mutating func strikes(_ fault: Fault) -> Bool {
    guard isFaulty, let rate = scenario.rates[fault], rate > 0,
      random.integer(below: rate) == 0
    else { return false }
    tally.count(fault)
    return true
  }

  mutating func draw(_ range: ClosedRange<Int64>) -> Int64 {
    range.lowerBound + Int64(random.integer(below: Int(range.upperBound - range.lowerBound) + 1))
  }

  mutating func coin() -> Bool { random.integer(below: 2) == 0 }

  private mutating func happen(_ event: Occurrence) throws {
    if let until = postponed(event) { return queue.add(event, at: until) }
    switch event {
    case .startCoordinator(let life):
      if life == coordinatorLife, coordinator == nil { try startCoordinator() }
    case .startWorker(let index, let life):
      if life == workers[index].life, !workers[index].isRunning { startWorker(index) }
    case .connect(let index, let life):
      if life == workers[index].life, workers[index].link == nil { connect(index) }
    case .arriveUp(let link, let message): try arriveUp(message, on: link)
    case .arriveDown(let link, let message, let life):
      try arriveDown(message, on: link, life: life)
    case .endAtCoordinator(let link, let reason): try endAtCoordinator(link, reason: reason)
    case .endAtWorker(let link): endAtWorker(link)
    case .trained(let index, let job, let number, let life, let isFailure, let began):
      guard life == workers[index].life else { return }
      try finishTraining(
        index, job, isWanted: number == workers[index].trainingNumber, isFailure: isFailure,
        began: began)
    case .wake(let life):
      if life == coordinatorLife { try wake() }
    case .strike(let fault): try strike(fault)
    }
  }

  /// Until when a stopped process takes no notice of an event.
  private func postponed(_ event: Occurrence) -> Int64? {
    let until: Int64
    switch event {
    case .arriveUp, .endAtCoordinator, .wake: until = coordinatorStoppedUntil
    case .arriveDown(let link, _, _), .endAtWorker(let link):
      until = links[link].map { workers[$0.worker].stoppedUntil } ?? 0
    case .trained(let index, _, _, _, _, _), .connect(let index, _):
      until = workers[index].stoppedUntil
    case .startCoordinator, .startWorker, .strike: until = 0
    }
    return until > now ? until : nil
  }
}
