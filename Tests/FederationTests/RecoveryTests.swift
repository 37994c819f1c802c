// SPDX-License-Identifier: Apache-2.0
import Federation
import Runs
import Testing
import Updates

@Suite struct RecoveryTests {
  static let names = ["ann", "bob", "cleo"]

  private func undisturbed(_ plan: RunPlan) throws -> LockstepFleet {
    try withTemporaryFolder { folder in
      var fleet = try LockstepFleet(plan: plan, workers: Self.names, folder: folder)
      try fleet.run()
      return fleet
    }
  }

  @Test(arguments: [UpdateCodec.dense, .ternary(density: 0.3)])
  func theCoordinatorMayBeKilledBetweenAnyTwoInputs(down: UpdateCodec) throws {
    let plan = testPlan(down: down, server: .adam())
    let expected = try undisturbed(plan)
    let outcome = try #require(expected.outcome)
    #expect(outcome.version == 5 && outcome.failure == nil)
    for position in 0..<expected.inputCount {
      try withTemporaryFolder { folder in
        var fleet = try LockstepFleet(plan: plan, workers: Self.names, folder: folder)
        try fleet.run(atMost: position)
        fleet.killCoordinator()
        try fleet.restartCoordinator()
        try fleet.run()
        #expect(fleet.outcome == outcome, "killed before input \(position)")
      }
    }
  }

  @Test func aWorkerMayBeKilledBetweenAnyTwoInputs() throws {
    let plan = testPlan(down: .ternary(density: 0.3))
    let expected = try undisturbed(plan)
    let outcome = try #require(expected.outcome)
    for position in 0..<expected.inputCount {
      try withTemporaryFolder { folder in
        var fleet = try LockstepFleet(plan: plan, workers: Self.names, folder: folder)
        try fleet.run(atMost: position)
        fleet.killWorker("bob")
        try fleet.startWorker("bob")
        try fleet.run()
        #expect(fleet.outcome == outcome, "killed before input \(position)")
      }
    }
  }

  @Test func everybodyMayBeKilledAtOnce() throws {
    let plan = testPlan()
    let expected = try undisturbed(plan)
    for position in 0..<expected.inputCount {
      try withTemporaryFolder { folder in
        var fleet = try LockstepFleet(plan: plan, workers: Self.names, folder: folder)
        try fleet.run(atMost: position)
        fleet.killCoordinator()
        for name in Self.names { fleet.killWorker(name) }
        try fleet.startCoordinator()
        for name in Self.names { try fleet.startWorker(name) }
        try fleet.run()
        #expect(fleet.outcome == expected.outcome, "killed before input \(position)")
      }
    }
  }

  @Test func anotherPlanIsRefused() throws {
    try withTemporaryFolder { folder in
      var fleet = try LockstepFleet(plan: testPlan(), workers: Self.names, folder: folder)
      try fleet.run(atMost: 4)
      fleet.killCoordinator()
      #expect(throws: RunError.self) {
        _ = try LockstepFleet(plan: testPlan(versions: 6), workers: Self.names, folder: folder)
      }
    }
  }
}
