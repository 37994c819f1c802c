// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Messages
import Randomness
import Rounds
import Tensors
import Testing
import Training
import Updates

@testable import Federation

/// Runs whose workers send the steps that they took along directions.
@Suite struct WalkTests {
  private static let names = ["ann", "bob", "cleo"]
  private let layout = ParameterLayout([
    ("a.lora_A.weight", [4, 30]), ("a.lora_B.weight", [40, 16]), ("b.lora_B.weight", [8, 40]),
  ])

  private func plan(
    _ steps: StepTravel = .upAndDown, versions: Int = 4, rule: UpdateRule = .sgd,
    server: ServerOptimizerRule = .sgd(learningRate: 0.5), down: UpdateCodec = .dense,
    isMixed: Bool = false
  ) -> RunPlan {
    var plan = testPlan(versions: versions, down: down, server: server)
    let settings = ZerothOrderTraining(localSteps: 2, queryCount: 3, rule: rule)
    plan.training =
      isMixed
      ? .mixed(gradient: GradientTraining(), zerothOrder: settings) : .zerothOrder(settings)
    plan.updates.steps = steps
    return plan
  }

  /// A walk that depends on the worker and on where it starts, as one by losses does.
  private func walk(
    of worker: WorkerID, _ job: Worker.TrainingJob, in plan: RunPlan
  ) throws -> TrainingResult {
    let settings = try #require(plan.training.zerothOrder)
    let directions = plan.directions(
      of: worker, from: settings.source, drawnFrom: settings.distribution)
    var stream = RandomStream(
      plan.seed(of: worker).derived("walk", UInt64(job.start.values.reduce(0) { $0 + abs($1) })))
    let steps = (0..<settings.localSteps).map { step in
      settings.rule.step(
        UInt32(job.version * settings.localSteps + step),
        for: (0..<UInt32(settings.queryCount)).map {
          ProjectedGradient(query: $0, value: Double(stream.uniform(bound: 5)))
        }, learningRate: 0.1)
    }
    let walk = Walk(key: directions.key, steps: steps)
    return TrainingResult(
      delta: settings.walkRules(of: layout).change(by: walk, layout: layout),
      exampleCount: worker.rawValue.utf8.count * 10, tokenCount: 100, loss: 1, walk: walk)
  }

  private func fleet(
    _ plan: RunPlan, folder: String, byGradients: Set<String> = []
  ) throws -> LockstepFleet {
    try LockstepFleet(
      plan: plan, workers: Self.names, folder: folder, layout: layout,
      learn: { worker, job in
        byGradients.contains(worker.rawValue)
          ? pretendedTraining(of: worker, job) : try walk(of: worker, job, in: plan)
      })
  }

  private func ran(
    _ plan: RunPlan, byGradients: Set<String> = [],
    tamper: @escaping (inout Upload) throws -> Void = { _ in }
  ) throws -> LockstepFleet {
    try withTemporaryFolder { folder in
      var fleet = try fleet(plan, folder: folder, byGradients: byGradients)
      fleet.tamper = tamper
      try fleet.run()
      return fleet
    }
  }

  private func refusals(of fleet: LockstepFleet) -> [String] {
    fleet.events.compactMap { event in
      if case .refused(_, let reason) = event { reason } else { nil }
    }
  }

  @Test(arguments: [UpdateRule.sgd, .sign])
  func aVersionIsTheListOfItsContributionsSteps(rule: UpdateRule) throws {
    let plan = plan(rule: rule)
    let fleet = try ran(plan)
    #expect(fleet.outcome?.version == 4 && fleet.outcome?.failure == nil)
    // Computed again, each step by itself, in the order of the workers.
    var adapter = ParameterVector(zerosOf: layout)
    let selection = plan.training.zerothOrder?.selection(of: layout)
    for version in 0..<4 {
      let start = adapter
      let results = try Self.names.compactMap(WorkerID.init(rawValue:)).map {
        try walk(of: $0, Worker.TrainingJob(round: 1, version: version, start: start), in: plan)
      }
      let total = results.reduce(0.0) { $0 + Double($1.exampleCount) }
      for result in results {
        let walk = try #require(result.walk)
        let factor = 0.5 * (Double(result.exampleCount) / total)
        for step in walk.steps {
          for term in step.terms {
            adapter.add(
              Directions(key: walk.key).direction(step: step.step, query: term.query),
              times: Float(Double(term.coefficient) * factor), to: selection)
          }
        }
      }
    }
    #expect(fleet.coordinator?.adapter == adapter && !adapter.isZero)
    // Workers refuse a delivery after which they do not have the coordinator's bits.
    let changes = fleet.deliveries.filter { $0.baseVersion != nil }
    #expect(changes.count == 9 && fleet.deliveries.count == 12)
    #expect(changes.allSatisfy { $0.payload.byteCount < 250 })
  }

  @Test func stepsThatAreLongerThanTheAdapterAreNotSent() throws {
    var plan = plan(versions: 3)
    plan.training = .zerothOrder(ZerothOrderTraining(localSteps: 2, queryCount: 400))
    let fleet = try ran(plan)
    #expect(fleet.outcome?.failure == nil && fleet.outcome?.version == 3)
    #expect(fleet.deliveries.count == 9 && fleet.deliveries.allSatisfy { $0.baseVersion == nil })
  }

  @Test func whoMissedVersionsFollowsByTheirSteps() throws {
    try withTemporaryFolder { folder in
      var plan = plan(versions: 60)
      (plan.rounds.cohortSize, plan.rounds.quorum, plan.rounds.minimumWorkers) = (2, 1, 2)
      plan.rounds.maximumFailedRounds = 1000
      var random = RandomStream(Seed(3))
      var fleet = try fleet(plan, folder: folder)
      var absent: String?
      while fleet.outcome == nil {
        try fleet.run(atMost: 1 + random.integer(below: 12))
        if let name = absent { try fleet.reconnect(name) }
        absent = Self.names[random.integer(below: Self.names.count)]
        fleet.disconnect(absent ?? "")
        if random.integer(below: 20) == 0 {
          fleet.killCoordinator()
          try fleet.restartCoordinator()
          absent = nil
        }
      }
      #expect(fleet.outcome?.failure == nil && fleet.outcome?.version == 60)
      let missed = fleet.deliveries.compactMap { one in one.baseVersion.map { one.version - $0 } }
      #expect(missed.contains(1) && missed.contains(2) && missed.contains { $0 > 2 })
      #expect(fleet.deliveries.filter { $0.baseVersion == nil }.count < missed.count / 4)
    }
  }

  @Test(arguments: [
    (UpdateRule.sgd, ServerOptimizerRule.adam(learningRate: 0.1), UpdateCodec.dense),
    (.momentum(beta: 0.9), .sgd(learningRate: 1), .ternary(density: 0.3)),
    (.adam(), .sgd(learningRate: 1, momentum: 0.9), .dense),
  ])
  func stepsUpAloneAreTheChangeThatTheyMake(
    rule: UpdateRule, server: ServerOptimizerRule, down: UpdateCodec
  ) throws {
    // What else than steps travels up has no part in it: dense changes lead to the same version.
    let sent = try ran(plan(.up, versions: 2, rule: rule, server: server, down: down))
    var plan = plan(.asChanges, versions: 2, rule: rule, server: server, down: down)
    (plan.updates.opening, plan.updates.up) = (.dense, .dense)
    let dense = try ran(plan)
    #expect(sent.outcome?.failure == nil && sent.outcome?.version == 2)
    #expect(sent.coordinator?.adapter == dense.coordinator?.adapter)
    func byteCounts(_ fleet: LockstepFleet) -> [Int] {
      fleet.events.compactMap { event in
        if case .contributed(let arrival) = event { arrival.byteCount } else { nil }
      }
    }
    #expect(byteCounts(sent).count == 6 && byteCounts(sent).allSatisfy { $0 < 110 })
    #expect(byteCounts(dense).allSatisfy { $0 > 4000 })
  }

  @Test func inAMixedRoundTheMeansOfBothKindsAreAdded() throws {
    let plan = plan(.up, versions: 1, server: .sgd(learningRate: 1), isMixed: true)
    let fleet = try ran(plan, byGradients: ["ann"])
    #expect(fleet.outcome?.failure == nil, "\(refusals(of: fleet))")
    let start = ParameterVector(zerosOf: layout)
    let job = Worker.TrainingJob(round: 1, version: 0, start: start)
    let ids = Self.names.compactMap(WorkerID.init(rawValue:))
    let change = try plan.updates.opening.encode(
      pretendedTraining(of: ids[0], job).delta, seed: Seed(0)
    ).decoded
    let walks = try ids.dropFirst().map { try walk(of: $0, job, in: plan) }
    let adapter = try #require(fleet.coordinator?.adapter)
    for index in start.values.indices {
      // "bob" has 30 examples, "cleo" 40.
      let walked = (30 * walks[0].delta.values[index] + 40 * walks[1].delta.values[index]) / 70
      #expect(abs(adapter.values[index] - change.values[index] - walked) < 1e-5)
    }
  }

  @Test func ofOneKindAloneAMixedRunTakesThatMean() throws {
    for everybody in [Set(Self.names), []] {
      let mixed = try ran(plan(.up, isMixed: true), byGradients: everybody)
      var alone = plan(.up)
      if !everybody.isEmpty {
        (alone.training, alone.updates.steps) = (.gradient(GradientTraining()), .asChanges)
      }
      let pure = try ran(alone, byGradients: everybody)
      #expect(mixed.outcome?.failure == nil && pure.outcome?.failure == nil)
      #expect(mixed.coordinator?.adapter == pure.coordinator?.adapter)
    }
  }

  @Test(arguments: ["another's directions", "a change", "another version", "cut short"])
  func whatAWorkerCannotHaveWalkedIsRefused(kind: String) throws {
    var count = 0
    let fleet = try ran(plan()) { upload in
      count += 1
      guard count == 2 else { return }
      let bytes = try upload.payload.bytes()
      let walk = try DirectionsUpdate(bytes).walks[0]
      let forged: [UInt8]
      switch kind {
      case "another's directions":
        forged = DirectionsUpdate(walks: [Walk(key: walk.key + 1, steps: walk.steps)])
          .payload(for: layout)
      case "another version":
        let later = walk.steps.map { DirectionStep(step: $0.step + 2, terms: $0.terms) }
        forged = DirectionsUpdate(walks: [Walk(key: walk.key, steps: later)]).payload(for: layout)
      case "a change":
        forged = try UpdateCodec.dense.encode(ParameterVector(zerosOf: layout), seed: Seed(0))
          .payload
      default: forged = Array(bytes.dropLast())
      }
      upload = upload.replaced(by: forged)
    }
    let undisturbed = try ran(plan())
    #expect(refusals(of: fleet).contains { $0.contains("not valid") })
    #expect(fleet.outcome == undisturbed.outcome && fleet.outcome?.version == 4)
  }

  @Test func coefficientsBeyondAllNumbersFailTheRound() throws {
    let fleet = try ran(plan(server: .sgd(learningRate: 1e6))) { upload in
      let walk = try DirectionsUpdate(upload.payload.bytes()).walks[0]
      let huge = walk.steps.map {
        DirectionStep(
          step: $0.step, terms: $0.terms.map { DirectionTerm(query: $0.query, coefficient: 3e38) })
      }
      let bytes = DirectionsUpdate(walks: [Walk(key: walk.key, steps: huge)]).payload(for: layout)
      upload = upload.replaced(by: bytes)
    }
    #expect(fleet.outcome?.version == 0)
    #expect(fleet.outcome?.failure?.contains("not finite") == true)
  }

  @Test func aWalkLeavesNoResidualWhetherItCountsOrNot() throws {
    let id = try #require(WorkerID(rawValue: "ann"))
    let plan = plan(.up, isMixed: true)
    func assignment(
      _ version: Int, accepted: AssignmentMessage.Accepted? = nil
    ) throws -> AssignmentMessage {
      let adapter = ParameterVector(zerosOf: layout)
      return AssignmentMessage(
        round: version + 1, baseVersion: version, remaining: .seconds(60), accepted: accepted,
        adapter: AdapterDelivery(
          version: version, baseVersion: nil, state: adapter.digest,
          payload: Payload(try UpdateCodec.dense.encode(adapter, seed: Seed(0)).payload)))
    }
    var worker = try Worker(
      id: id, plan: plan, layout: layout, initialAdapter: ParameterVector(zerosOf: layout),
      remembered: nil, from: "memory")
    func learn(version: Int, byGradients: Bool = false) throws -> Upload {
      let job = try #require(worker.currentJob)
      let result =
        byGradients ? pretendedTraining(of: id, job) : try walk(of: id, job, in: plan)
      let orders = try worker.trained(result, version: version, in: .seconds(1))
      guard case .send(.contribution(let upload)) = orders.last else {
        throw FederationError.unexpected("\(orders)")
      }
      return upload
    }
    // A change by gradients leaves a residual, which walks then neither carry nor touch.
    _ = try worker.assigned(assignment(0))
    let first = try learn(version: 0, byGradients: true).payload.digest
    _ = try worker.assigned(assignment(1, accepted: .init(version: 0, payload: first)))
    let residual = worker.inspection.residual
    #expect(!residual.isZero)
    let walked = try learn(version: 1)
    #expect(try DirectionsUpdate.begins(walked.payload))
    _ = try worker.assigned(assignment(2))
    #expect(worker.inspection.residual == residual && worker.inspection.pending == nil)
    let counted = try learn(version: 2).payload.digest
    _ = try worker.assigned(assignment(3, accepted: .init(version: 2, payload: counted)))
    #expect(worker.inspection.residual == residual && worker.inspection.pending == nil)
  }
}

extension Upload {
  /// The same with other bytes, and their digest.
  fileprivate func replaced(by bytes: [UInt8]) -> Upload {
    Upload(
      contribution: Contribution(
        round: contribution.round, baseVersion: contribution.baseVersion,
        worker: contribution.worker, payload: Digest(of: bytes),
        exampleCount: contribution.exampleCount), loss: loss, tokenCount: tokenCount,
      duration: duration, payload: Payload(bytes))
  }
}
