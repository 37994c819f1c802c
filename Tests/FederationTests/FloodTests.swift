// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Messages
import Rounds
import Runs
import Tensors
import Testing

@testable import Federation

/// A worker that talks and talks: it must not fill the coordinator's disk.
@Suite struct FloodTests {
  private let plan = testPlan(versions: 5, workers: 1, quorum: 1)
  private let time = RunTime(nanoseconds: 1_000_000_000_000)
  private let connection = ConnectionID(1)

  private func coordinator(over store: RunStore, ann: WorkerID) throws -> Coordinator {
    let identity = try Coordinator.Identity(
      model: Digest(of: [1]), layout: testLayout, plan: plan, heartbeatInterval: .seconds(2))
    var coordinator = try Coordinator(
      plan: plan, identity: identity, log: store,
      initialAdapter: ParameterVector(zerosOf: testLayout), evaluateEvery: -1)
    _ = try coordinator.start(at: time)
    let hello = Hello(
      software: "test", model: Digest(of: [1]), layout: nil, heldVersion: nil, heldState: nil,
      memoryByteCount: 1, coreCount: 1, exampleCount: 0)
    _ = try coordinator.handle(
      .opened(connection, ann, address: "here", hello, part: nil), at: time)
    return coordinator
  }

  private func store() throws -> RunStore {
    let identity = try Coordinator.Identity(
      model: Digest(of: [1]), layout: testLayout, plan: plan, heartbeatInterval: .seconds(2))
    return try RunBeginning(
      plan: plan, identity: identity, initialAdapter: ParameterVector(zerosOf: testLayout),
      now: time
    ).store(at: .memory)
  }

  @Test(arguments: [false, true])
  func whoSendsWhatNobodyAskedForIsCutOff(isContribution: Bool) throws {
    let ann = try #require(WorkerID(rawValue: "ann"))
    let store = try store()
    var coordinator = try coordinator(over: store, ann: ann)
    let before = try store.events().count
    let payload = Payload([1, 2, 3])
    let message =
      isContribution
      ? WorkerMessage.contribution(
        Upload(
          contribution: Contribution(
            round: 77, baseVersion: 76, worker: ann, payload: payload.digest, exampleCount: 1),
          loss: 1, tokenCount: 1, duration: .seconds(1), payload: payload))
      : .failed(round: 77, reason: "no such round")
    var closings = 0
    for _ in 0..<200 {
      for output in try coordinator.handle(.received(connection, message), at: time) {
        if case .close(connection, let reason) = output {
          closings += 1
          #expect(reason.contains("no task asked for"))
        }
      }
    }
    #expect(closings == 200 - 16)
    #expect(try store.events().count == before + 16)
    #expect(coordinator.inspection.engine == (try store.recoveredEngine().engine))
  }

  @Test func aTaskOfItsOwnIsAnsweredAllTheSame() throws {
    let ann = try #require(WorkerID(rawValue: "ann"))
    let store = try store()
    var coordinator = try coordinator(over: store, ann: ann)
    for _ in 0..<10 {
      _ = try coordinator.handle(
        .received(connection, .failed(round: 77, reason: "no such round")), at: time)
    }
    let outputs = try coordinator.handle(
      .received(connection, .failed(round: 1, reason: "out of memory")), at: time)
    let reports = outputs.compactMap { output in
      if case .report(.failed(round: 1, _)) = output { true } else { nil }
    }
    #expect(reports.count == 1)
  }
}
