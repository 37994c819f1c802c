// SPDX-License-Identifier: Apache-2.0
import Digests
import Federation
import Foundation
import Logging
import Messages
import Rounds
import Runs
import Synchronization
import Tensors
import Testing
import Training
import Updates

/// The shells: real tasks and real time around the same coordinator and workers.
@Suite(.timeLimit(.minutes(1))) struct ServiceTests {
  private struct PretendedLearner: Learner {
    let id: WorkerID
    let layout = testLayout
    let initialAdapter = ParameterVector(zerosOf: testLayout)

    func train(
      from start: ParameterVector, version: Int, progress: (StepReport) throws -> Void
    ) throws -> TrainingResult {
      pretendedTraining(of: id, Worker.TrainingJob(round: 0, version: version, start: start))
    }
  }

  private static let model = Digest(of: [1, 2, 3])
  private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func service(
    _ plan: RunPlan, folder: String, transport: any ServerTransport, pool: ComputePool,
    observe: @escaping @Sendable (RunEvent) -> Void = { _ in }
  ) throws -> CoordinatorService {
    let identity = try Coordinator.Identity(
      model: Self.model, layout: testLayout, plan: plan, heartbeatInterval: .milliseconds(200))
    return CoordinatorService(
      coordinator: try Coordinator(
        plan: plan, identity: identity, location: .folder(folder),
        initialAdapter: ParameterVector(zerosOf: testLayout), evaluateEvery: -1, now: .now),
      transport: transport, pool: pool, evaluate: nil, log: Self.quiet, observe: observe)
  }

  private func worker(
    _ name: String, model: Digest = Self.model, transport: InProcessTransport, pool: ComputePool
  ) throws -> WorkerService {
    let id = try #require(WorkerID(rawValue: name))
    return WorkerService(
      resources: WorkerService.Resources(
        id: id, model: model, memoryByteCount: 1, coreCount: 1, memory: nil,
        prepare: { _ in .learning(PretendedLearner(id: id)) }),
      transport: transport.client(name), pool: pool, seed: 1,
      givingUpAfter: .seconds(60), log: Self.quiet)
  }

  @Test func tasksInOneProcessEndWithTheBitsOfTheLockstepFleet() async throws {
    let plan = testPlan(down: .ternary(density: 0.3))
    let names = ["ann", "bob", "cleo"]
    let folder = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let expected = try withTemporaryFolder { folder in
      var fleet = try LockstepFleet(plan: plan, workers: names, folder: folder)
      try fleet.run()
      return fleet.outcome
    }

    let transport = InProcessTransport()
    let pool = ComputePool(threadCount: 2)
    let coordinator = try service(plan, folder: folder, transport: transport, pool: pool)
    let outcome = try await withThrowingTaskGroup(of: Finished.self) { group in
      for name in names {
        let worker = try worker(name, transport: transport, pool: pool)
        group.addTask { try await worker.run() }
      }
      let outcome = try await coordinator.run()
      for try await finished in group { #expect(finished.state == outcome.state) }
      return outcome
    }
    #expect(outcome == expected)
  }

  @Test func aWorkerWithAnotherModelIsToldBothDigestsAndDoesNotComeBack() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let transport = InProcessTransport()
    let pool = ComputePool(threadCount: 1)
    let coordinator = try service(testPlan(), folder: folder, transport: transport, pool: pool)
    let other = Digest(of: [9])
    let stranger = try worker("ann", model: other, transport: transport, pool: pool)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { _ = try await coordinator.run() }
      do {
        _ = try await stranger.run()
        Issue.record("a worker with another model took part")
      } catch let error as FederationError {
        let text = "\(error)"
        #expect(text.contains("\(other)") && text.contains("\(Self.model)"))
      }
      group.cancelAll()
      while let result = await group.nextResult() {
        if case .failure(let error) = result { #expect(error is CancellationError) }
      }
    }
  }
}
