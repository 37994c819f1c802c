// SPDX-License-Identifier: Apache-2.0
import Files
import Messages
import Randomness
import Rounds
import Tensors
import Testing
import Training
import Updates

@testable import Federation

/// Runs whose workers walk along the same directions, or along those of a pool.
@Suite struct DirectionSourceTests {
  private static let names = ["ann", "bob", "cleo"]
  private let layout = ParameterLayout([
    ("a.lora_A.weight", [4, 30]), ("a.lora_B.weight", [40, 16]), ("b.lora_B.weight", [8, 40]),
  ])

  private func plan(
    _ source: DirectionSource, versions: Int = 4, steps: StepTravel = .upAndDown
  ) -> RunPlan {
    var plan = testPlan(versions: versions, down: .dense, server: .sgd(learningRate: 0.5))
    plan.training = .zerothOrder(
      ZerothOrderTraining(localSteps: 2, queryCount: 3, source: source))
    plan.updates.steps = steps
    return plan
  }

  /// Version 0: not zero, so that it matters where a pool leads from.
  private var start: ParameterVector {
    var start = ParameterVector(zerosOf: layout)
    var stream = RandomStream(Seed(9))
    for index in start.values.indices { start.values[index] = stream.uniform(bound: 1) }
    return start
  }

  /// A walk that depends on the worker and on where it starts, as one by losses does.
  private func walk(
    of worker: WorkerID, _ job: Worker.TrainingJob, in plan: RunPlan
  ) throws -> TrainingResult {
    let settings = try #require(plan.training.zerothOrder)
    let rules = settings.walkRules(of: layout)
    let directions = plan.directions(
      of: worker, from: settings.source, drawnFrom: settings.distribution)
    let place = UInt64(job.start.values.reduce(0) { $0 + abs($1) } * 1000)
    var stream = RandomStream(plan.seed(of: worker).derived("walk", place))
    let numbers = (0..<2).map { UInt32(job.version * 2 + $0) }
    let steps = (settings.source.count == nil ? numbers : [0]).map { number in
      let queries =
        settings.source.count.map { count in
          Set((0..<6).map { _ in UInt32(stream.integer(below: count)) }).sorted()
        } ?? [0, 1, 2]
      return DirectionStep(
        step: number,
        terms: queries.map {
          DirectionTerm(query: $0, coefficient: stream.uniform(bound: 0.5))
        })
    }
    let walk = Walk(key: directions.key, steps: steps)
    return TrainingResult(
      delta: rules.change(by: walk, layout: layout), exampleCount: worker.rawValue.utf8.count * 10,
      tokenCount: 100, loss: 1, walk: walk)
  }

  private func fleet(_ plan: RunPlan, folder: String) throws -> LockstepFleet {
    try LockstepFleet(
      plan: plan, workers: Self.names, folder: folder, layout: layout, start: start,
      learn: { try walk(of: $0, $1, in: plan) })
  }

  private func ran(_ plan: RunPlan) throws -> LockstepFleet {
    try withTemporaryFolder { folder in
      var fleet = try fleet(plan, folder: folder)
      try fleet.run()
      return fleet
    }
  }

  /// The mean walk of version `version`'s workers from `start`, computed again: the coefficient of
  /// each direction.
  private func mean(
    from start: ParameterVector, version: Int, in plan: RunPlan
  ) throws -> [UInt64: Double] {
    let results = try Self.names.compactMap(WorkerID.init(rawValue:)).map {
      try walk(of: $0, Worker.TrainingJob(round: 1, version: version, start: start), in: plan)
    }
    let total = results.reduce(0.0) { $0 + Double($1.exampleCount) }
    var sums: [UInt64: Double] = [:]
    for result in results {
      for step in try #require(result.walk).steps {
        for term in step.terms {
          sums[UInt64(step.step) << 32 | UInt64(term.query), default: 0] +=
            Double(term.coefficient) * (0.5 * (Double(result.exampleCount) / total))
        }
      }
    }
    return sums
  }

  private func move(
    _ adapter: inout ParameterVector, by coefficients: [UInt64: Float], in plan: RunPlan
  ) {
    let selection = plan.training.zerothOrder?.selection(of: layout)
    let directions = plan.stepDirections(.rademacher)
    for (place, coefficient) in coefficients.sorted(by: { $0.key < $1.key }) {
      adapter.add(
        directions.direction(
          step: UInt32(place >> 32), query: UInt32(truncatingIfNeeded: place)),
        times: coefficient, to: selection)
    }
  }

  @Test func ofSharedDirectionsAVersionIsAsLongAsOneWorkersWalk() throws {
    let plan = plan(.shared)
    let fleet = try ran(plan)
    #expect(fleet.outcome?.version == 4 && fleet.outcome?.failure == nil)
    var adapter = start
    for version in 0..<4 {
      let mean = try mean(from: adapter, version: version, in: plan)
      #expect(mean.count == 6)
      move(&adapter, by: mean.mapValues { Float($0) }, in: plan)
    }
    #expect(fleet.coordinator?.adapter == adapter)
    let changes = fleet.deliveries.filter { $0.baseVersion != nil }
    let limit = try #require(plan.training.zerothOrder).walkRules(of: layout)
      .maximumPayloadByteCount
    #expect(changes.count == 9 && changes.allSatisfy { $0.payload.byteCount <= limit })
  }

  @Test func ofAPoolEveryVersionIsVersionZeroAndACoefficientForEachDirection() throws {
    let plan = plan(.pool(count: 20), versions: 6)
    let fleet = try ran(plan)
    #expect(fleet.outcome?.version == 6 && fleet.outcome?.failure == nil)
    var (adapter, pool) = (start, [UInt64: Float]())
    for version in 0..<6 {
      for (place, value) in try mean(from: adapter, version: version, in: plan) {
        pool[place] = Float(Double(pool[place] ?? 0) + Double(Float(value)))
      }
      adapter = start
      move(&adapter, by: pool, in: plan)
    }
    #expect(fleet.coordinator?.adapter == adapter && adapter != start)
    // All is told every time, so that nobody has to have held anything before.
    let limit = try #require(plan.training.zerothOrder).walkRules(of: layout).maximumPoolByteCount
    #expect(fleet.deliveries.count == 18)
    #expect(
      fleet.deliveries.allSatisfy { $0.baseVersion == nil && $0.payload.byteCount <= limit })
    #expect(UpdateCodec.dense.maximumPayloadByteCount(for: layout) > 10 * limit)
  }

  @Test(arguments: [DirectionSource.shared, .pool(count: 20)])
  func whoComesAndGoesAndDiesChangesNothing(source: DirectionSource) throws {
    let undisturbed = try ran(plan(source, versions: 8))
    try withTemporaryFolder { folder in
      var random = RandomStream(Seed(3))
      var fleet = try fleet(plan(source, versions: 8), folder: folder)
      while fleet.outcome == nil {
        try fleet.run(atMost: 1 + random.integer(below: 9))
        let name = Self.names[random.integer(below: 3)]
        switch random.integer(below: 3) {
        case 0:
          fleet.disconnect(name)
          try fleet.reconnect(name)
        case 1:
          fleet.killWorker(name)
          try fleet.startWorker(name)
        default:
          fleet.killCoordinator()
          try fleet.restartCoordinator()
        }
      }
      #expect(fleet.outcome == undisturbed.outcome && fleet.outcome?.version == 8)
      #expect(fleet.coordinator?.adapter == undisturbed.coordinator?.adapter)
    }
  }

  @Test func aPoolLongerThanTheAdapterIsNotSent() throws {
    let plan = plan(.pool(count: 1 << 20), versions: 400)
    let dense = UpdateCodec.dense.maximumPayloadByteCount(for: layout)
    let fleet = try ran(plan)
    #expect(fleet.outcome?.version == 400 && fleet.outcome?.failure == nil)
    let byteCounts = fleet.deliveries.map(\.payload.byteCount)
    #expect(byteCounts.max() == dense && byteCounts.last == dense)
    #expect(byteCounts.contains { $0 < dense / 2 })
  }

  @Test func aPoolUpAloneIsTheChangeThatItMakes() throws {
    let fleet = try ran(plan(.pool(count: 20), versions: 1, steps: .up))
    let ids = Self.names.compactMap(WorkerID.init(rawValue:))
    let job = Worker.TrainingJob(round: 1, version: 0, start: start)
    let changes = try ids.map { try walk(of: $0, job, in: fleet.plan).delta }
    let adapter = try #require(fleet.coordinator?.adapter)
    for index in adapter.values.indices {
      let mean =
        zip(changes, [30, 30, 40]).reduce(Float(0)) { $0 + $1.0.values[index] * $1.1 } / 100
      #expect(abs(adapter.values[index] - start.values[index] - 0.5 * mean) < 1e-6)
    }
  }

  @Test func aStateOfOtherDirectionsIsNotGoneOnWith() throws {
    let pool = plan(.pool(count: 20))
    let log = try stored(pool)
    for (plan, isRight) in [(pool, true), (plan(.shared), false)] {
      func decode() throws {
        _ = try ServerState(
          decoding: log.bytes, layout: layout, plan: plan, origin: start
        ) { digest in
          try #require(log.vectors.first { $0.digest == digest })
        }
      }
      if isRight {
        try decode()
      } else {
        #expect { try decode() } throws: { "\($0)".contains("other directions") }
      }
    }
  }

  /// Version 0 of a run of `plan`.
  private func stored(_ plan: RunPlan) throws -> StoredState {
    try withTemporaryFolder { folder in
      let fleet = try fleet(plan, folder: folder)
      let log = try #require(fleet.coordinator?.log)
      var state = ServerState(adapter: start, plan: plan)
      let stored = try state.stored(in: log)
      return StoredState(
        bytes: stored.bytes, vectors: try stored.vectors.map { Payload(try $0.bytes()) })
    }
  }
}
