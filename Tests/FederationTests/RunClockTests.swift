// SPDX-License-Identifier: Apache-2.0
import Digests
import Federation
import Messages
import Rounds
import Runs
import Tensors
import Testing

/// What a coordinator does when its machine's clock is put.
@Suite struct RunClockTests {
  private let plan = testPlan(workers: 1, quorum: 1)
  private let hour = Duration.seconds(3600)
  private let noon = RunTime(nanoseconds: 1_700_000_000_000_000_000)

  private func identity() throws -> Coordinator.Identity {
    try Coordinator.Identity(
      model: Digest(of: [1]), layout: testLayout, plan: plan, heartbeatInterval: .seconds(2))
  }

  private func store(at time: RunTime) throws -> RunStore {
    let beginning = try RunBeginning(
      plan: plan, identity: identity(), initialAdapter: ParameterVector(zerosOf: testLayout),
      now: time)
    return try beginning.store(at: .memory)
  }

  /// A coordinator in a round of 60 s that began at `time`.
  private func coordinator(over store: RunStore, at time: RunTime) throws -> Coordinator {
    var coordinator = try Coordinator(
      plan: plan, identity: identity(), log: store,
      initialAdapter: ParameterVector(zerosOf: testLayout), evaluateEvery: -1)
    _ = try coordinator.start(at: time)
    let ann = try #require(WorkerID(rawValue: "ann"))
    let hello = Hello(
      software: "test", model: Digest(of: [1]), layout: nil, heldVersion: nil, heldState: nil,
      memoryByteCount: 1, coreCount: 1, exampleCount: 0)
    _ = try coordinator.handle(
      .opened(ConnectionID(1), ann, address: "here", hello, part: nil), at: time)
    #expect(coordinator.status.phase == .training)
    return coordinator
  }

  private func wakeTime(in outputs: [Coordinator.Output]) -> RunTime? {
    outputs.compactMap { if case .wake(let time) = $0 { time } else { nil } }.first
  }

  private let heartbeat = Coordinator.Input.received(
    ConnectionID(1), .heartbeat(WorkerHeartbeat(sequence: 1)))

  @Test func aDeadlineIsNoFurtherAwayWhenTheClockIsPutBack() throws {
    var coordinator = try self.coordinator(over: store(at: noon), at: noon)
    #expect(wakeTime(in: try coordinator.handle(heartbeat, at: noon + .seconds(20))) == nil)
    let putBack = noon + .seconds(21) + .seconds(-3600)
    let wake = try #require(wakeTime(in: try coordinator.handle(heartbeat, at: putBack)))
    #expect(wake > putBack && wake <= putBack + .seconds(60))
    #expect(coordinator.status.until == wake)
    #expect(coordinator.status.line(at: putBack).hasSuffix("round ends in 40 s"))
    _ = try coordinator.handle(.woke, at: wake)
    #expect(coordinator.status.phase == .resting)
    #expect(coordinator.status.failedRoundsInARow == 1)
  }

  @Test func aRoundAfterARestartIsNoLongerWhenTheClockWasAhead() throws {
    let store = try store(at: noon)
    _ = try self.coordinator(over: store, at: noon + hour)
    var again = try Coordinator(
      plan: plan, identity: identity(), log: store,
      initialAdapter: ParameterVector(zerosOf: testLayout), evaluateEvery: -1)
    let wake = try #require(wakeTime(in: try again.start(at: noon)))
    #expect(wake > noon && wake <= noon + .seconds(60))
    _ = try again.handle(.woke, at: noon + .seconds(60))
    #expect(again.status.phase == .resting)
  }

  @Test func aClockThatIsPutForwardEndsARoundAndNothingElse() throws {
    var coordinator = try self.coordinator(over: store(at: noon), at: noon)
    let outputs = try coordinator.handle(.woke, at: noon + hour)
    #expect(coordinator.status.phase == .resting)
    let wake = try #require(wakeTime(in: outputs))
    #expect(wake == noon + hour + .seconds(1))
  }
}
