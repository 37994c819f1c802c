// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Digests
import Federation
import Foundation
import Messages
import Models
import Rounds
import Runs
import Tensors
import Testing
import Training
import Updates

/// A coordinator and workers whose messages are delivered one by one, in order, by hand.
///
/// Nothing here waits: time is a number, training a function. Anybody can be killed between any
/// two deliveries, and comes back with what it had written down.
struct LockstepFleet {
  let plan: RunPlan
  let layout: ParameterLayout
  /// Version 0.
  let start: ParameterVector
  let folder: String
  let model = Digest(of: [1, 2, 3])

  private(set) var coordinator: Coordinator?
  private var workers: [WorkerID: Worker] = [:]
  private var memories: [WorkerID: [UInt8]] = [:]
  private var connections: [WorkerID: ConnectionID] = [:]
  private var connectionCount = 0
  private var inbox: [Coordinator.Input] = []
  private(set) var time = RunTime(nanoseconds: 1_000_000_000_000)
  private var wakes: [RunTime] = []
  private(set) var outcome: Coordinator.RunOutcome?
  private(set) var events: [RunEvent] = []
  private(set) var inputCount = 0
  /// Stands between the coordinator and its store.
  private let wrap: (RunStore) -> any RunLog
  /// What a worker learns.
  private let learn: (WorkerID, Worker.TrainingJob) throws -> TrainingResult
  /// Changes an upload on its way, to see what a bad one does.
  var tamper: (inout Upload) throws -> Void = { _ in }
  /// What workers say instead of the digest of what they hold.
  var claimedState: Digest?
  /// The adapters and changes that workers were sent.
  private(set) var deliveries: [AdapterDelivery] = []

  init(
    plan: RunPlan, workers names: [String], folder: String,
    layout: ParameterLayout = testLayout, start: ParameterVector? = nil,
    learn: @escaping (WorkerID, Worker.TrainingJob) throws -> TrainingResult = pretendedTraining,
    log wrap: @escaping (RunStore) -> any RunLog = { $0 }
  ) throws {
    self.learn = learn
    self.start = start ?? ParameterVector(zerosOf: layout)
    self.wrap = wrap
    self.plan = plan
    self.folder = folder
    self.layout = layout
    try startCoordinator()
    for name in names { try startWorker(name) }
  }

  // MARK: Coming and going

  mutating func startCoordinator() throws {
    let identity = try Coordinator.Identity(
      model: model, layout: layout, plan: plan, heartbeatInterval: .seconds(2))
    let beginning = try RunBeginning(
      plan: plan, identity: identity, initialAdapter: start, now: time)
    let store = try beginning.store(at: .folder(folder))
    var coordinator = try Coordinator(
      plan: plan, identity: identity, log: wrap(store), initialAdapter: start,
      evaluateEvery: -1)
    let outputs = try coordinator.start(at: time)
    self.coordinator = coordinator
    try carryOut(outputs)
  }

  /// Kills the coordinator: what it had not written is gone, and so are all connections.
  mutating func killCoordinator() {
    coordinator = nil
    inbox = []
    wakes = []
    connections = [:]
  }

  /// Starts a coordinator again; the workers come back one after the other.
  mutating func restartCoordinator() throws {
    try startCoordinator()
    for id in workers.keys.sorted() { connect(id) }
  }

  mutating func startWorker(_ name: String) throws {
    guard let id = WorkerID(rawValue: name) else { return }
    workers[id] = try Worker(
      id: id, plan: plan, layout: layout, initialAdapter: start, remembered: memories[id],
      from: name)
    connect(id)
  }

  mutating func killWorker(_ name: String) {
    guard let id = WorkerID(rawValue: name) else { return }
    workers[id] = nil
    if let connection = connections.removeValue(forKey: id) {
      inbox.append(.closed(connection, reason: "killed"))
    }
  }

  /// Cuts a worker off, which goes on holding what it holds.
  mutating func disconnect(_ name: String) {
    guard let id = WorkerID(rawValue: name), let connection = connections.removeValue(forKey: id)
    else { return }
    inbox.append(.closed(connection, reason: "cut off"))
  }

  mutating func reconnect(_ name: String) throws {
    guard let id = WorkerID(rawValue: name), connections[id] == nil else { return }
    connect(id)
  }

  private mutating func connect(_ id: WorkerID) {
    connectionCount += 1
    let connection = ConnectionID(connectionCount)
    connections[id] = connection
    let held = workers[id]?.held
    inbox.append(
      .opened(
        connection, id, address: "here",
        Hello(
          software: "test", model: model, layout: nil, heldVersion: held?.version,
          heldState: held.map { claimedState ?? $0.state }, memoryByteCount: 1, coreCount: 1,
          exampleCount: 0),
        part: nil))
  }

  // MARK: Running

  /// Delivers inputs until nothing is left to do or `limit` inputs were delivered.
  mutating func run(atMost limit: Int = .max) throws {
    var delivered = 0
    while outcome == nil, coordinator != nil, delivered < limit {
      if inbox.isEmpty {
        guard let next = wakes.min() else { return }
        time = max(time, next)
        wakes.removeAll { $0 <= time }
        inbox.append(.woke)
      }
      time = time + .milliseconds(1)
      let input = inbox.removeFirst()
      delivered += 1
      inputCount += 1
      guard let outputs = try coordinator?.handle(input, at: time) else { return }
      try carryOut(outputs)
    }
  }

  private mutating func carryOut(_ outputs: [Coordinator.Output]) throws {
    for output in outputs {
      switch output {
      case .send(let connection, let message): try deliver(message, on: connection)
      case .close(let connection, let reason):
        inbox.append(.closed(connection, reason: reason))
        if let id = connections.first(where: { $0.value == connection })?.key {
          connections[id] = nil
          if outcome == nil, workers[id] != nil { connect(id) }
        }
      case .wake(let time): wakes.append(time)
      case .evaluate: break
      case .report(let event): events.append(event)
      case .finish(let outcome): self.outcome = outcome
      }
    }
  }

  private mutating func deliver(
    _ message: CoordinatorMessage, on connection: ConnectionID
  ) throws {
    guard let id = connections.first(where: { $0.value == connection })?.key,
      var worker = workers[id]
    else { return }
    switch message {
    case .assignment(let assignment):
      if let delivery = assignment.adapter { deliveries.append(delivery) }
      try obey(worker.assigned(assignment), &worker, on: connection)
    case .released(let round, let reason):
      try obey(worker.released(round: round, reason: reason), &worker, on: connection)
    case .step: Issue.record("a step in a run by rounds")
    case .welcome, .receipt, .refused, .finished, .heartbeat, .renewed: break
    }
    workers[id] = worker
  }

  private mutating func obey(
    _ orders: [Worker.Order], _ worker: inout Worker, on connection: ConnectionID
  ) throws {
    for order in orders {
      switch order {
      case .remember(let bytes): memories[worker.id] = bytes
      case .send(.contribution(var upload)):
        try tamper(&upload)
        inbox.append(.received(connection, .contribution(upload)))
      case .send(let message): inbox.append(.received(connection, message))
      case .train(let job):
        let result = try learn(worker.id, job)
        try obey(
          worker.trained(result, version: job.version, in: .milliseconds(5)), &worker,
          on: connection)
      case .rest: break
      }
    }
  }
}

let testLayout = ParameterLayout([("a.lora_B", [6, 4]), ("b.lora_B", [8, 4]), ("c.lora_B", [2])])

/// Pulls each parameter towards a value that depends on the worker: like training, a pure
/// function of the worker and of where it starts.
func pretendedTraining(of worker: WorkerID, _ job: Worker.TrainingJob) -> TrainingResult {
  let pull = Float(worker.rawValue.utf8.reduce(0) { $0 + Int($1) } % 7 + 1)
  var delta = ParameterVector(zerosOf: job.start.layout)
  for index in delta.values.indices {
    let goal = pull * Float(index * 37 % 17 - 8)
    delta.values[index] = (goal - job.start.values[index]) * 0.25
  }
  return TrainingResult(
    delta: delta, exampleCount: Int(pull) * 10, tokenCount: 100,
    loss: Double(delta.values.map(abs).reduce(0, +)))
}

/// A plan for small runs; every part can be changed.
func testPlan(
  versions: Int = 5, workers: Int = 3, quorum: Int = 3, down: UpdateCodec = .dense,
  server: ServerOptimizerRule = .sgd(learningRate: 1, momentum: 0)
) -> RunPlan {
  guard let run = RunID(rawValue: "test") else { preconditionFailure("'test' is a run's name") }
  return RunPlan(
    run: run, seed: 7,
    adapter: .lora(
      LoRAConfiguration(rank: 4, alpha: 8, targets: [.query], factors: .b, seed: 1)),
    data: nil, training: .gradient(GradientTraining()),
    updates: UpdatePlan(
      up: .ternary(density: 0.2), opening: .ternary(density: 0.5), openingVersionCount: 1,
      down: down, server: server),
    rounds: RoundRules(
      versionCount: versions, cohortSize: workers, overSelection: 1, quorum: quorum,
      minimumWorkers: workers, deadline: .seconds(60), absenceGrace: .seconds(5),
      maximumFailedRounds: 5, retryDelay: .seconds(1)))
}

/// A folder that exists while `body` runs.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID())").path
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}
