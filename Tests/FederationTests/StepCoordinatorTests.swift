// SPDX-License-Identifier: Apache-2.0
import Checkpoints
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
private struct StepDesk {
  let plan: RunPlan
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

  init(versions: Int = 400, workers: Int = 2, rule: UpdateRule = .sgd) throws {
    let run = try #require(RunID(rawValue: "steps"))
    let settings = ZerothOrderTraining(
      localSteps: 1, queryCount: 2, learningRate: 0.01,
      estimator: GradientEstimator(.twoSided, perturbation: 0.01), rule: rule, factors: .both,
      parallelism: .perturbations, followsSpeed: false)
    plan = RunPlan(
      run: run, seed: 5,
      adapter: LoRAConfiguration(rank: 1, alpha: 1, factors: .both, seed: 1), data: nil,
      training: .zerothOrder(settings),
      updates: UpdatePlan(
        up: .dense, opening: .dense, openingVersionCount: 0, down: .dense,
        server: .sgd(learningRate: 1, momentum: 0)),
      rounds: RoundRules(
        versionCount: versions, cohortSize: workers, quorum: 1, minimumWorkers: workers))
    coordinator = try StepCoordinator(
      plan: plan,
      identity: Coordinator.Identity(
        model: Digest(of: [1]), layout: Self.layout, plan: plan, heartbeatInterval: .seconds(1)),
      location: .memory, initialAdapter: ParameterVector(zerosOf: Self.layout),
      evaluateEvery: -1, now: time)
    outputs = try coordinator.start(at: time)
  }

  /// A worker comes, holding what it held before if `isSame`.
  mutating func join(_ name: String, isSame: Bool = false) throws {
    let id = worker(name)
    if !isSame || workers[id] == nil {
      workers[id] = try StepWorker(
        plan: plan, initialAdapter: ParameterVector(zerosOf: Self.layout))
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
          heldState: held?.state, memoryByteCount: 1, coreCount: 1, exampleCount: 0), part: nil))
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
    let losses = losses ?? [1, 0.5, Double(name.utf8.count), 0.25]
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

@Suite struct StepCoordinatorTests {
  @Test func theCommitOfAStepAndTheNextTaskAreOneMessage() throws {
    var desk = try StepDesk()
    try desk.join("ann")
    #expect(desk.tasks.isEmpty)
    try desk.join("bo")
    #expect(desk.tasks.map(\.queries) == [0..<2, 2..<4])
    #expect(desk.tasks.allSatisfy { $0.commits.isEmpty && $0.history == nil })
    try desk.answer("bo", desk.report("bo"))
    #expect(desk.tasks.isEmpty)
    try desk.answer("ann", desk.report("ann"))
    #expect(desk.coordinator.version == 1 && desk.tasks.count == 2)
    #expect(desk.tasks.allSatisfy { $0.commits.count == 1 && $0.history == nil && $0.step == 1 })
    let commit = try DirectionCommit(record: desk.tasks[0].commits[0])
    // (l+ - l-) / 2e, times the rate over four queries, against the gradient.
    let slopes = [(1 - 0.5), (3 - 0.25), (1 - 0.5), (2 - 0.25)].map { $0 / 0.02 }
    let expected = slopes.map { Float(-0.01 * $0 / 4) }
    #expect(zip(commit.step.terms, expected).allSatisfy { abs($0.coefficient - $1) <= 1e-6 })
    #expect(commit.step.terms.map(\.query) == [0, 1, 2, 3] && desk.isInStep)
  }

  @Test func lossesThatAreNotFiniteAreLeftOutAndNeverTakenForZero() throws {
    var desk = try StepDesk()
    try desk.join("ann")
    try desk.join("bo")
    try desk.answer("ann", desk.report("ann", losses: [.nan, 1, 2, 1]))
    try desk.answer("bo", desk.report("bo", losses: [1, .infinity, 1, 1]))
    let commit = try DirectionCommit(record: desk.tasks[0].commits[0])
    #expect(commit.step.terms.map(\.query) == [1, 3])
    #expect(commit.step.terms[1].coefficient == 0 && commit.step.terms[0].coefficient != 0)
    for name in ["ann", "bo"] {
      try desk.answer(name, desk.report(name, losses: [.nan, .nan, .nan, .nan]))
    }
    #expect(desk.coordinator.version == 2 && desk.isInStep)
    #expect(try DirectionCommit(record: desk.tasks[0].commits[0]).step.terms.isEmpty)
  }

  @Test func anAnswerThatIsNotWhatWasAskedForIsRefusedWithTheReasonAndHarmsNobody() throws {
    let faults: [(String, (LossReport) -> LossReport)] = [
      ("step 1: unknownRound", { $0.with(step: $0.step + 1) }),
      ("evaluated at version 7 instead of 0", { $0.with(version: 7) }),
      ("of queries from 3, which it was not given", { $0.with(firstQuery: 3) }),
      ("3 losses where 2 queries have 4", { $0.with(losses: [1, 2, 3]) }),
      ("the adapter's digest is missing", { $0.with(state: .some(nil)) }),
      ("is not the run's", { $0.with(state: Digest(of: [9])) }),
    ]
    for (reason, spoil) in faults {
      var desk = try StepDesk()
      try desk.join("ann")
      try desk.join("bo")
      try desk.answer("ann", spoil(desk.report("ann")))
      #expect(desk.refusals.contains { $0.contains(reason) }, "\(reason): \(desk.refusals)")
      #expect(desk.coordinator.version == 0)
      try desk.answer("bo", desk.report("bo"))
      if reason.contains("unknownRound") { try desk.answer("ann", desk.report("ann")) }
      #expect(desk.coordinator.version == 1, "\(reason)")
      #expect(desk.coordinator.tally.refusedCount == 1)
    }
  }

  @Test func theSameAnswerTwiceCountsOnce() throws {
    var desk = try StepDesk()
    try desk.join("ann")
    try desk.join("bo")
    let report = try desk.report("ann")
    try desk.answer("ann", report)
    try desk.answer("ann", report)
    #expect(desk.refusals == ["losses of step 0: duplicate"] && desk.closedCount == 0)
    try desk.answer("bo", desk.report("bo"))
    #expect(try DirectionCommit(record: desk.tasks[0].commits[0]).step.terms.count == 4)
    // And one that comes after the step.
    try desk.answer("ann", report)
    #expect(desk.refusals == ["losses of step 0: late"])
    for _ in 0..<20 { try desk.answer("ann", report) }
    #expect(desk.closedCount == 1)
  }

  @Test func aReplicaThatDivergedIsFoundOutAndSentAState() throws {
    var desk = try StepDesk()
    try desk.join("ann")
    try desk.join("bo")
    try desk.run(steps: 10)
    desk.workers[worker("ann")]?.tamper()
    #expect(!desk.isInStep)
    try desk.run(steps: 40)
    #expect(desk.coordinator.version == 50)
    try desk.answer("ann", desk.report("ann"))
    #expect(desk.refusals.contains { $0.contains("at version 50 is not the run's") })
    try desk.answer("bo", desk.report("bo"))
    #expect(desk.tasks.map { $0.history?.baseVersion == nil } == [true, true])
    #expect(desk.tasks.map { $0.history == nil } == [false, true])
    #expect(desk.isInStep)
    try desk.run(steps: 60)
    #expect(desk.coordinator.version == 111 && desk.isInStep)
  }

  @Test(arguments: [UpdateRule.sgd, .momentum(beta: 0.9), .adam()])
  func whoComesLateOrComesBackHasTheSameBits(rule: UpdateRule) throws {
    var desk = try StepDesk(workers: 1, rule: rule)
    try desk.join("ann")
    try desk.run(steps: 30)
    // Few commits: they are cheaper than a state.
    try desk.join("bo")
    try desk.run()
    let tail = try #require(desk.lastTasks[worker("bo")]?.history)
    #expect(tail.baseVersion == 0 && desk.isInStep)
    let held = try #require(desk.workers[worker("bo")]?.held?.version)
    try desk.leave("bo")
    try desk.run(steps: 5)
    try desk.join("bo", isSame: true)
    try desk.run()
    #expect(desk.lastTasks[worker("bo")]?.history?.baseVersion == held && desk.isInStep)
    // Many commits: a state is.
    try desk.run(steps: 340)
    try desk.join("cy")
    try desk.run()
    let state = try #require(desk.lastTasks[worker("cy")]?.history)
    #expect(state.baseVersion == nil && desk.isInStep)
    try desk.run(steps: 10)
    #expect(desk.isInStep)
  }

  /// After 25 steps there are commits alone, after 600 a snapshot and some.
  @Test(arguments: [25, 600]) func aCoordinatorGoesOnFromItsLogWithTheSameBits(
    stepCount: Int
  ) throws {
    var desk = try StepDesk(versions: 1000, workers: 2, rule: .adam())
    try desk.join("ann")
    try desk.join("bo")
    try desk.run(steps: stepCount)
    let snapshot = try desk.coordinator.log.lastStepSnapshot()
    #expect((snapshot != nil) == (stepCount == 600))
    let again = try StepCoordinator(
      plan: desk.plan, identity: desk.coordinator.identity, log: desk.coordinator.log,
      initialAdapter: ParameterVector(zerosOf: StepDesk.layout), evaluateEvery: -1,
      now: RunTime(nanoseconds: 0))
    #expect(again.version == stepCount && again.adapter == desk.coordinator.adapter)
    #expect(again.state.clip == desk.coordinator.state.clip)
    desk.coordinator = again
    desk.connections = [:]
    try desk.join("ann", isSame: true)
    try desk.run(steps: 5)
    #expect(desk.coordinator.version == stepCount + 5 && desk.isInStep)
  }

  @Test func aRunThatWasEndedIsOverForTheNextCoordinatorToo() throws {
    var desk = try StepDesk(workers: 2)
    try desk.join("ann")
    try desk.join("bo")
    try desk.run(steps: 3)
    try desk.take(.stopped(reason: "enough"))
    var again = try StepCoordinator(
      plan: desk.plan, identity: desk.coordinator.identity, log: desk.coordinator.log,
      initialAdapter: ParameterVector(zerosOf: StepDesk.layout), evaluateEvery: -1,
      now: RunTime(nanoseconds: 0))
    let ends = try again.start(at: RunTime(nanoseconds: 1)).compactMap { output in
      if case .finish(let outcome) = output { outcome } else { nil }
    }
    #expect(ends.count == 1 && ends.first?.version == 3)
    #expect(ends.first?.failure?.contains("enough") == true)
  }

  @Test func twentyThousandStepsOfSixteenQueriesAreUnderFourMegabytes() throws {
    let chain = CommitChain(version: 19_999, digest: Digest(of: []))
    let step = DirectionStep(
      step: 20_000, terms: (0..<16).map { DirectionTerm(query: $0, coefficient: 1) })
    let record = DirectionCommit(version: 20_000, previous: chain.link, step: step).record
    let compared = 400 * Digest.byteCount
    #expect(20_000 * record.count + compared < 2_500_000)
  }
}

private func worker(_ name: String) -> WorkerID {
  guard let worker = WorkerID(rawValue: name) else { preconditionFailure("worker \(name)") }
  return worker
}

extension LossReport {
  fileprivate func with(
    step: Int? = nil, version: Int? = nil, firstQuery: Int? = nil, losses: [Double]? = nil,
    state: Digest?? = nil
  ) -> LossReport {
    LossReport(
      step: step ?? self.step, baseVersion: version ?? baseVersion,
      firstQuery: firstQuery ?? self.firstQuery, losses: losses ?? self.losses,
      exampleCount: exampleCount, tokenCount: tokenCount, state: state ?? self.state)
  }
}
