// SPDX-License-Identifier: Apache-2.0
import Digests
import Federation
import Files
import Messages
import Randomness
import Rounds
import Runs
import Tensors
import Testing
import Updates

/// Workers that come back with an older version than the coordinator's.
@Suite struct CatchUpTests {
  private static let names = ["ann", "bob", "cleo", "dan"]
  /// So wide that a snapshot is much longer than a message.
  private let layout = ParameterLayout([("a.lora_B", [40, 16]), ("b.lora_B", [8, 40])])

  private func plan(_ server: ServerOptimizerRule) -> RunPlan {
    var plan = testPlan(versions: 100, down: .ternary(density: 0.05), server: server)
    // Two of four a round, whoever is there: each worker misses versions at random.
    plan.rounds.cohortSize = 2
    plan.rounds.quorum = 1
    plan.rounds.minimumWorkers = 2
    plan.rounds.maximumFailedRounds = 1_000
    return plan
  }

  private func fleet(
    _ server: ServerOptimizerRule, folder: String,
    log: @escaping (RunStore) -> any RunLog = { $0 }
  ) throws -> LockstepFleet {
    try LockstepFleet(
      plan: plan(server), workers: Self.names, folder: folder, layout: layout, log: log)
  }

  @Test(arguments: [
    ServerOptimizerRule.sgd(learningRate: 0.5, momentum: 0.9), .adam(learningRate: 0.1),
  ])
  func replicasAreTheSameBitsAfterAHundredVersionsOfRandomAbsence(
    server: ServerOptimizerRule
  ) throws {
    // A worker refuses a delivery after which its replica's digest is not the coordinator's.
    try withTemporaryFolder { folder in
      var random = RandomStream(Seed(3))
      var fleet = try fleet(server, folder: folder)
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
      let outcome = try #require(fleet.outcome)
      #expect(outcome.failure == nil && outcome.version == 100)
      let snapshot = UpdateCodec.dense.maximumPayloadByteCount(for: layout)
      #expect(fleet.deliveries.allSatisfy { $0.payload.byteCount <= snapshot })
      let steps = fleet.deliveries.compactMap { one in one.baseVersion.map { one.version - $0 } }
      #expect(steps.contains(1) && steps.contains(2) && steps.contains { $0 > 3 })
      #expect(fleet.deliveries.filter { $0.baseVersion == nil }.count < steps.count / 4)
    }
  }

  @Test func aWorkerThatClaimsAnotherStateGetsASnapshot() throws {
    try withTemporaryFolder { folder in
      var fleet = try fleet(.adam(learningRate: 0.1), folder: folder)
      fleet.claimedState = Digest(of: [9])
      try fleet.run(atMost: 60)
      for name in Self.names { fleet.disconnect(name) }
      try fleet.run(atMost: 8)
      let before = fleet.deliveries.count
      for name in Self.names { try fleet.reconnect(name) }
      try fleet.run(atMost: 40)
      let after = fleet.deliveries.dropFirst(before)
      #expect(after.first != nil && after.first?.baseVersion == nil)
    }
  }

  @Test func aSequenceThatDoesNotFitIsRefused() throws {
    let plan = plan(.adam(learningRate: 0.1))
    guard let id = WorkerID(rawValue: "ann") else { return }
    let zeros = ParameterVector(zerosOf: layout)
    let whole = Payload(try UpdateCodec.dense.encode(zeros, seed: Seed(0)).payload)
    let change = try plan.updates.down.encode(zeros, seed: Seed(0)).payload
    func assignment(_ version: Int, from base: Int?, _ payload: Payload) -> AssignmentMessage {
      AssignmentMessage(
        round: version + 1, baseVersion: version, remaining: .seconds(60), accepted: nil,
        adapter: AdapterDelivery(
          version: version, baseVersion: base, state: zeros.digest, payload: payload))
    }
    let sequence = Payload(UpdateSequence.payload(of: [change, change]))
    var worker = try Worker(
      id: id, plan: plan, layout: layout, initialAdapter: ParameterVector(zerosOf: layout),
      remembered: nil, from: "ann")
    _ = try worker.assigned(assignment(0, from: nil, whole))
    for (version, payload) in [
      (1, sequence), (3, sequence), (2, Payload(change)), (2, Payload(sequence: [change, [1]])),
    ] {
      #expect(throws: UpdateError.self) {
        try worker.assigned(assignment(version, from: 0, payload))
      }
      #expect(worker.held?.version == 0)
    }
    _ = try worker.assigned(assignment(2, from: 0, sequence))
    #expect(worker.held?.version == 2 && worker.held?.state == zeros.digest)
  }
}

extension Payload {
  fileprivate init(sequence updates: [[UInt8]]) {
    self.init(UpdateSequence.payload(of: updates))
  }
}
