// SPDX-License-Identifier: Apache-2.0
import Digests
import Messages
import Models
import Rounds
import Runs
import Tensors
import Testing
import Training
import Updates

@testable import Federation

/// A coordinator of steps and what it is told, message by message.
struct StepDesk {
  let plan: RunPlan
  let initialAdapter: ParameterVector
  var coordinator: StepCoordinator
  var workers: [WorkerID: StepWorker] = [:]
  var connections: [WorkerID: ConnectionID] = [:]
  /// The last task of each worker that it has not answered.
  var jobs: [WorkerID: StepWorker.Job] = [:]
  /// The last task of each worker.
  var lastTasks: [WorkerID: StepTask] = [:]
  var outputs: [Coordinator.Output] = []
  private var connectionCount = 0
  private var time = RunTime(nanoseconds: 1_700_000_000_000_000_000)

  static let layout = ParameterLayout([("a", [4, 40]), ("b", [3, 3])])

  init(
    versions: Int = 400, workers: Int = 2, rule: UpdateRule = .sgd,
    parallelism: ZerothOrderTraining.Parallelism = .perturbations,
    initialAdapter: ParameterVector = ParameterVector(zerosOf: Self.layout)
  ) throws {
    self.initialAdapter = initialAdapter
    let run = try #require(RunID(rawValue: "steps"))
    let settings = ZerothOrderTraining(
      localSteps: 1, queryCount: 2, learningRate: 0.01,
      estimator: GradientEstimator(.twoSided, perturbation: 0.01), rule: rule, factors: .both,
      parallelism: parallelism, followsSpeed: false)
    plan = RunPlan(
      run: run, seed: 5,
      adapter: .lora(LoRAConfiguration(rank: 1, alpha: 1, factors: .both, seed: 1)), data: nil,
      training: .zerothOrder(settings),
      updates: UpdatePlan(
        up: .dense, opening: .dense, openingVersionCount: 0, down: .dense,
        server: .sgd(learningRate: 1, momentum: 0)),
      rounds: RoundRules(
        versionCount: versions, cohortSize: workers, quorum: 1, minimumWorkers: workers))
    coordinator = try StepCoordinator(
      plan: plan,
      identity: Coordinator.Identity(
        model: Digest(of: [1]), layout: initialAdapter.layout, plan: plan,
        heartbeatInterval: .seconds(1)),
      location: .memory, initialAdapter: initialAdapter, evaluateEvery: -1, now: time)
    outputs = try coordinator.start(at: time)
  }

  /// A worker comes, holding what it held before if `isSame`.
  mutating func join(_ name: String, isSame: Bool = false, data: Digest? = nil) throws {
    let id = worker(name)
    if !isSame || workers[id] == nil {
      workers[id] = try StepWorker(plan: plan, initialAdapter: initialAdapter)
    }
    workers[id]?.reconnected()
    connectionCount += 1
    connections[id] = ConnectionID(connectionCount)
    let held = workers[id]?.held
    try take(
      .opened(
        ConnectionID(connectionCount), id, address: "here",
        Hello(
          software: "test", model: Digest(of: [1]), layout: nil, heldVersion: held?.version,
          heldState: held?.state, memoryByteCount: 1, coreCount: 1, exampleCount: 0,
          data: data), part: nil))
  }

  mutating func leave(_ name: String) throws {
    let connection = try #require(connections[worker(name)])
    connections[worker(name)] = nil
    jobs[worker(name)] = nil
    try take(.closed(connection, reason: "gone"))
  }

  /// Hands the coordinator an input, and the workers what it sends.
  mutating func take(_ input: Coordinator.Input) throws {
    time = time + .milliseconds(1)
    outputs = try coordinator.handle(input, at: time)
    for case .send(let connection, .step(let task)) in outputs {
      let id = try #require(connections.first { $0.value == connection }?.key)
      lastTasks[id] = task
      for case .evaluate(let job) in try workers[id]?.assigned(task) ?? [] { jobs[id] = job }
    }
  }

  /// What a worker answers to its task.
  func report(_ name: String, losses: [Double]? = nil) throws -> LossReport {
    let job = try #require(jobs[worker(name)])
    var evaluating = try #require(workers[worker(name)])
    let usual = [1, 0.5, Double(name.utf8.count), 0.25]
    let losses = losses ?? Array(usual.prefix((job.signs == .both ? 2 : 1) * job.queries.count))
    let orders = evaluating.evaluated(losses, of: job, exampleCount: 4, tokenCount: 9)
    let reports = orders.compactMap { order in
      if case .send(.losses(let report)) = order { report } else { nil }
    }
    return try #require(reports.first)
  }

  mutating func answer(_ name: String, _ report: LossReport) throws {
    try take(.received(try #require(connections[worker(name)]), .losses(report)))
  }

  /// Everybody who is here answers, so many times.
  mutating func run(steps: Int = 1) throws {
    for _ in 0..<steps {
      for name in connections.keys.sorted().map(\.rawValue) { try answer(name, report(name)) }
    }
  }

  var tasks: [StepTask] {
    outputs.compactMap { if case .send(_, .step(let task)) = $0 { task } else { nil } }
  }

  var refusals: [String] {
    outputs.compactMap { if case .report(.refused(_, let reason)) = $0 { reason } else { nil } }
  }

  var closedCount: Int {
    outputs.count { if case .close = $0 { true } else { false } }
  }

  /// Whether all who are here hold the coordinator's bits.
  var isInStep: Bool {
    connections.keys.allSatisfy { workers[$0]?.adapter == coordinator.adapter }
  }
}

/// The worker called `name`.
func worker(_ name: String) -> WorkerID {
  guard let worker = WorkerID(rawValue: name) else { preconditionFailure("worker \(name)") }
  return worker
}
