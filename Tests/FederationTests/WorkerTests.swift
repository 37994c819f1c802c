// SPDX-License-Identifier: Apache-2.0
import Digests
import Federation
import Files
import Messages
import Randomness
import Rounds
import Tensors
import Testing
import Training
import Updates

@Suite struct WorkerTests {
  private let plan = testPlan()

  private func worker(remembering memory: [UInt8]? = nil, plan: RunPlan? = nil) throws -> Worker {
    let id = try #require(WorkerID(rawValue: "ann"))
    return try Worker(
      id: id, plan: plan ?? self.plan, layout: testLayout,
      initialAdapter: ParameterVector(zerosOf: testLayout), remembered: memory, from: "memory")
  }

  private func assignment(
    round: Int = 1, version: Int, accepted: AssignmentMessage.Accepted? = nil
  ) throws -> AssignmentMessage {
    var adapter = ParameterVector(zerosOf: testLayout)
    adapter.values[0] = Float(version)
    return AssignmentMessage(
      round: round, baseVersion: version, remaining: .seconds(60), accepted: accepted,
      adapter: AdapterDelivery(
        version: version, baseVersion: nil, state: adapter.digest,
        payload: Payload(try UpdateCodec.dense.encode(adapter, seed: Seed(0)).payload)))
  }

  /// Lets `worker` learn from `version`; gives what it remembers and sends.
  private func learn(
    _ worker: inout Worker, version: Int
  ) throws -> (memory: [UInt8], upload: Upload) {
    for order in try worker.assigned(assignment(version: version)) {
      guard case .train(let job) = order else { continue }
      let result = pretendedTraining(of: worker.id, job)
      let orders = try worker.trained(result, version: version, in: .seconds(1))
      guard case .remember(let memory) = orders[0],
        case .send(.contribution(let upload)) = orders[1]
      else { break }
      return (memory, upload)
    }
    throw FederationError.unexpected("no training was ordered")
  }

  @Test func askedAgainForTheSameVersionItSendsTheSameBytesWithoutTraining() throws {
    var worker = try worker()
    let (memory, upload) = try learn(&worker, version: 0)
    var again = try self.worker(remembering: memory)
    let orders = try again.assigned(assignment(round: 2, version: 0))
    guard case .send(.contribution(let repeated)) = orders.first else {
      Issue.record("\(orders)")
      return
    }
    #expect(orders.count == 1 && repeated.payload == upload.payload)
    #expect(repeated.contribution.round == 2)
  }

  @Test func aWorkerWithoutMemoryMayBeAnotherMachineEachTime() throws {
    var plan = plan
    plan.updates.up = .stochasticTernary(density: 0.5)
    plan.updates.openingVersionCount = 0
    var worker = try worker(plan: plan)
    let (memory, first) = try learn(&worker, version: 0)
    var elsewhere = try self.worker(plan: plan)
    #expect(try learn(&elsewhere, version: 0).upload.payload == first.payload)
    var again = try self.worker(remembering: memory, plan: plan)
    guard
      case .send(.contribution(let repeated))? = try again.assigned(assignment(version: 0)).first
    else {
      Issue.record("the pending message was forgotten")
      return
    }
    #expect(repeated.payload == first.payload)
    // Refused or not, the next message is that of a worker who knows nothing of the first.
    let (_, second) = try learn(&worker, version: 1)
    var newcomer = try self.worker(plan: plan)
    #expect(try learn(&newcomer, version: 1).upload.payload == second.payload)
    #expect(worker.residualNorm == 0 && second.payload != first.payload)
  }

  @Test func whatWasNotAcceptedIsSentLater() throws {
    var accepted = try worker()
    let (_, upload) = try learn(&accepted, version: 0)
    var refused = accepted
    let counted = AssignmentMessage.Accepted(version: 0, payload: upload.contribution.payload)
    _ = try accepted.assigned(assignment(version: 1, accepted: counted))
    _ = try refused.assigned(assignment(version: 1))
    #expect(refused.residualNorm > accepted.residualNorm)
  }

  @Test func whatCannotBeCompressedIsReportedAsAFailure() throws {
    var worker = try worker()
    _ = try worker.assigned(assignment(version: 0))
    var delta = ParameterVector(zerosOf: testLayout)
    delta.values[3] = .infinity
    let result = TrainingResult(delta: delta, exampleCount: 1, tokenCount: 1, loss: 1)
    #expect(throws: UpdateError.self) {
      try worker.trained(result, version: 0, in: .seconds(1))
    }
    let orders = worker.failed(version: 0, reason: "not finite")
    #expect(orders == [.send(.failed(round: 1, reason: "not finite"))])
  }

  @Test func aRunBegunAnewForgetsTheOldOne() throws {
    var worker = try worker()
    let (_, first) = try learn(&worker, version: 0)
    let counted = AssignmentMessage.Accepted(version: 0, payload: first.contribution.payload)
    _ = try worker.assigned(assignment(version: 3, accepted: counted))
    let (memory, _) = try learnAgain(&worker, version: 3)
    var anew = try self.worker(remembering: memory)
    let (_, upload) = try learn(&anew, version: 0)
    #expect(upload.payload == first.payload)
    var other = try self.worker(remembering: memory, plan: testPlan(versions: 9))
    let (_, fresh) = try learn(&other, version: 0)
    #expect(fresh.payload == first.payload)
  }

  private func learnAgain(
    _ worker: inout Worker, version: Int
  ) throws -> (memory: [UInt8], upload: Upload) {
    let job = try #require(worker.currentJob)
    let orders = try worker.trained(
      pretendedTraining(of: worker.id, job), version: version, in: .seconds(1))
    guard case .remember(let memory) = orders[0], case .send(.contribution(let upload)) = orders[1]
    else { throw FederationError.unexpected("\(orders)") }
    return (memory, upload)
  }

  @Test func aDamagedMemoryIsRefusedAtEveryByte() throws {
    var worker = try worker()
    let (memory, _) = try learn(&worker, version: 0)
    for position in memory.indices {
      var damaged = memory
      damaged[position] ^= 1
      #expect(throws: FederationError.self) { try self.worker(remembering: damaged) }
    }
    for count in memory.indices {
      #expect(throws: FederationError.self) {
        try self.worker(remembering: Array(memory.prefix(count)))
      }
    }
  }

  @Test func anAdapterThatIsNotWhatItsDigestSaysIsRefused() throws {
    var worker = try worker()
    let good = try assignment(version: 0)
    let delivery = try #require(good.adapter)
    let bad = AssignmentMessage(
      round: 1, baseVersion: 0, remaining: .seconds(1), accepted: nil,
      adapter: AdapterDelivery(
        version: 0, baseVersion: nil, state: Digest(of: [7]), payload: delivery.payload))
    #expect(throws: FederationError.self) { try worker.assigned(bad) }
    #expect(worker.held == nil)
    let unknown = AssignmentMessage(
      round: 1, baseVersion: 4, remaining: .seconds(1), accepted: nil, adapter: nil)
    #expect(throws: FederationError.self) { try worker.assigned(unknown) }
  }
}
