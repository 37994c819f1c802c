// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Rounds

@Suite struct StepEngineTests {
  private let a = worker("a")
  private let b = worker("b")

  @Test func aStepIsOneRoundTrip() throws {
    var run = try StepDriver(versions: 2)
    run.expect(.joined(a, data: nil), at: 1, [])
    run.expect(
      .joined(b, data: nil), at: 2,
      ["a: step 0 at 0, 0..<4", "b: step 0 at 0, 4..<8", "wake at 12.0"])
    run.expect(.answered(b, step: 0), at: 3, [])
    run.expect(.answered(a, step: 0), at: 4, ["commit 0 of a b"])
    run.expect(
      .committed(step: 0, version: 1), at: 5,
      ["a: step 1 at 1, 0..<4", "b: step 1 at 1, 4..<8", "wake at 15.0"])
    run.expect(.answered(a, step: 1), at: 6, [])
    run.expect(.answered(b, step: 1), at: 6, ["commit 1 of a b"])
    run.expect(.committed(step: 1, version: 2), at: 7, ["completed with version 2"])
    run.expect(.answered(a, step: 1), at: 8, ["disregard: runEnded"])
  }

  @Test func whoLeavesIsNotWaitedForAndItsQueriesAreLeftOut() throws {
    var run = try StepDriver(workers: 3)
    for name in ["a", "b", "c"] { _ = run.send(.joined(worker(name), data: nil), at: 0) }
    run.expect(.answered(a, step: 0), at: 1, [])
    run.expect(.left(worker("c")), at: 1, [])
    run.expect(.answered(b, step: 0), at: 2, ["commit 0 of a b"])
    run.expect(
      .committed(step: 0, version: 1), at: 2,
      ["a: step 1 at 1, 0..<4", "b: step 1 at 1, 4..<8", "wake at 12.0"])
    run.expect(.joined(worker("c"), data: nil), at: 3, [])
    run.expect(.left(b), at: 3, [])
    run.expect(.answered(a, step: 1), at: 4, ["commit 1 of a"])
    run.expect(
      .committed(step: 1, version: 2), at: 4,
      ["a: step 2 at 2, 0..<4", "c: step 2 at 2, 4..<8", "wake at 14.0"])
  }

  @Test func aWorkerThatComesBackDuringTheStepGetsItsTaskAgain() throws {
    var run = try StepDriver()
    _ = run.send(.joined(a, data: nil), at: 0)
    _ = run.send(.joined(b, data: nil), at: 0)
    run.expect(.left(b), at: 1, [])
    run.expect(.joined(b, data: nil), at: 2, ["b: step 0 at 0, 4..<8"])
    run.expect(.answered(a, step: 0), at: 3, [])
    run.expect(.answered(b, step: 0), at: 3, ["commit 0 of a b"])
  }

  @Test func theDeadlineEndsAStepWithAQuorum() throws {
    var run = try StepDriver(quorum: 1)
    _ = run.send(.joined(a, data: nil), at: 0)
    _ = run.send(.joined(b, data: nil), at: 0)
    run.expect(.answered(a, step: 0), at: 1, [])
    run.expect(.woke, at: 10, ["commit 0 of a"])
    _ = run.send(.committed(step: 0, version: 1), at: 10)
    run.expect(.answered(b, step: 0), at: 11, ["disregard: late"])
    #expect(run.engine.statistics.disregardedCount(.late) == 1)
  }

  @Test func aStepWithoutAQuorumIsTriedAgainUnderAnotherNumber() throws {
    var run = try StepDriver(quorum: 2, failures: 2)
    _ = run.send(.joined(a, data: nil), at: 0)
    _ = run.send(.joined(b, data: nil), at: 0)
    _ = run.send(.answered(a, step: 0), at: 1)
    run.expect(
      .woke, at: 10,
      [
        "b: out of 0, roundFailed",
        "abandon 0: the deadline came with 1 of at least 2 answers; nothing from b; again",
        "wake at 11.0",
      ])
    run.expect(
      .woke, at: 11, ["a: step 1 at 0, 0..<4", "b: step 1 at 0, 4..<8", "wake at 21.0"])
    run.expect(.failed(b, step: 1, reason: "no memory"), at: 12, [])
    run.expect(
      .failed(a, step: 1, reason: "no disk"), at: 12,
      [
        "abandon 1: workers failed with 0 of at least 2 answers; a failed: no disk and 1 more",
        "failed at version 0: 2 steps in a row failed, at last: workers failed with 0 of at "
          + "least 2 answers; a failed: no disk and 1 more",
      ])
  }

  @Test func thatEverybodyLeavesIsNoFailure() throws {
    var run = try StepDriver(workers: 1, failures: 1)
    _ = run.send(.joined(a, data: nil), at: 0)
    for number in 0..<5 {
      run.expect(.left(a), at: 1, [])
      #expect(run.engine.status.phase == .gathering && run.engine.outcome == nil)
      run.expect(
        .joined(a, data: nil), at: 1, ["a: step \(number + 1) at 0, 0..<4", "wake at 11.0"])
    }
  }

  @Test func whatNobodyAskedForChangesNothing() throws {
    var run = try StepDriver()
    run.expect(.answered(a, step: 0), at: 0, ["disregard: unknownRound"])
    _ = run.send(.joined(a, data: nil), at: 0)
    _ = run.send(.joined(b, data: nil), at: 0)
    run.expect(.answered(worker("c"), step: 0), at: 1, ["disregard: unassigned"])
    run.expect(.answered(a, step: 1), at: 1, ["disregard: unknownRound"])
    run.expect(.answered(a, step: -1), at: 1, ["disregard: unknownRound"])
    run.expect(.answered(a, step: 0), at: 1, [])
    run.expect(.answered(a, step: 0), at: 1, ["disregard: duplicate"])
    run.expect(.failed(a, step: 0, reason: "x"), at: 1, ["disregard: duplicate"])
    run.expect(.failed(b, step: 0, reason: "x"), at: 1, ["commit 0 of a"])
    run.expect(.committed(step: 0, version: 3), at: 1, ["disregard: notAggregating"])
    run.expect(.answered(b, step: 0), at: 1, ["disregard: late"])
    run.expect(.left(worker("c")), at: 1, ["disregard: notJoined"])
  }

  @Test func groupsHaveTheSameQueries() throws {
    var run = try StepDriver(workers: 5, queries: 3, groupSize: 2)
    for name in ["e", "d", "c", "b"] { _ = run.send(.joined(worker(name), data: nil), at: 0) }
    run.expect(
      .joined(a, data: nil), at: 0,
      [
        "a: step 0 at 0, 0..<3", "b: step 0 at 0, 0..<3", "c: step 0 at 0, 3..<6",
        "d: step 0 at 0, 3..<6", "e: step 0 at 0, 6..<9", "wake at 10.0",
      ])
    var all = try StepDriver(workers: 2, queries: 3, groupSize: .max)
    _ = all.send(.joined(a, data: nil), at: 0)
    all.expect(
      .joined(b, data: nil), at: 0,
      ["a: step 0 at 0, 0..<3", "b: step 0 at 0, 0..<3", "wake at 10.0"])
  }

  @Test func aSlowWorkerGetsFewerQueriesAndTheSumStays() throws {
    var run = try StepDriver(workers: 3, queries: 8, deadline: .seconds(1000))
    let names = ["a", "b", "c"]
    for name in names { _ = run.send(.joined(worker(name), data: nil), at: 0) }
    run.step(0, by: names, taking: [1, 1.3, 1.1], at: 0)
    var time = 1.3
    #expect(names.map { run.engine.queries(of: worker($0), in: 1)?.count } == [8, 8, 8])
    // b takes four times as long for a query from now on.
    for number in 1..<30 {
      let taken = names.map { name in
        Double(run.engine.queries(of: worker(name), in: number)?.count ?? 0) / 8
          * (name == "b" ? 4 : 1)
      }
      run.step(number, by: names, taking: taken, at: time)
      time += taken.max() ?? 0
    }
    let counts = names.map { run.engine.queries(of: worker($0), in: 30)?.count ?? 0 }
    #expect(counts.reduce(0, +) == 24 && (2...3).contains(counts[1]), "\(counts)")
    #expect(run.engine.queries(of: b, in: 30)?.lowerBound == counts[0])
  }

  @Test func sharesAreTheLargestRemaindersAndNobodyGetsNone() {
    #expect(apportioned(10, by: [1, 1, 1], atLeast: 1) == [4, 3, 3])
    #expect(apportioned(8, by: [1000, 1], atLeast: 2) == [6, 2])
    #expect(apportioned(3, by: [1, 1, 1], atLeast: 1) == [1, 1, 1])
    #expect(apportioned(2, by: [1, 1, 1], atLeast: 1) == [1, 1, 1])
    for total in 3..<60 {
      let parts = apportioned(total, by: [0.3, 2, 1.1], atLeast: 1)
      #expect(parts.reduce(0, +) == total && parts.allSatisfy { $0 >= 1 })
    }
  }

  @Test func theStatusNamesWhoIsAwaited() throws {
    var run = try StepDriver()
    #expect(
      run.engine.status.line(at: seconds(1))
        == "waiting for 2 more workers to join (0 of 2 here) since 1 s")
    _ = run.send(.joined(a, data: nil), at: 0)
    _ = run.send(.joined(b, data: nil), at: 0)
    _ = run.send(.answered(a, step: 0), at: 1)
    #expect(
      run.engine.status.line(at: seconds(4))
        == "step 0 (version 1 of 100): waiting for 1 of 2 workers (b); step ends in 6 s")
  }

  @Test func rulesOutOfRangeAreRefused() throws {
    #expect(throws: RoundError.self) { try StepDriver(queries: 0) }
    #expect(throws: RoundError.self) { try StepDriver(queries: 1, least: 2) }
    #expect(throws: RoundError.self) { try StepDriver(groupSize: 0) }
    #expect(throws: RoundError.self) { try StepDriver(groupSize: 3, splitsSigns: true) }
    #expect(throws: RoundError.self) { try StepDriver(versions: 0) }
  }
}
