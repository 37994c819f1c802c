// SPDX-License-Identifier: Apache-2.0
import Rounds
import Testing

@Suite struct RoundStatusTests {
  @Test func aLineSaysForWhomTheRunWaits() throws {
    var driver = try EngineDriver(RoundEngineTests.rules(quorum: 3))
    func line(_ time: Double) -> String { driver.engine.status.line(at: seconds(time)) }
    _ = driver.send(.join("worker-1"), at: 5)
    #expect(line(12) == "waiting for 2 more workers to join (1 of 3 here) since 12 s")
    _ = driver.send(.join("worker-2"), at: 12)
    #expect(line(12) == "waiting for 1 more worker to join (2 of 3 here) since 12 s")
    _ = driver.send(.join("worker-3"), at: 20)
    #expect(
      line(20) == "round 1 (version 1 of 2): waiting for 3 of 3 workers"
        + " (worker-1, worker-2, worker-3); round ends in 100 s")
    _ = driver.send(.gave("worker-1", 1, from: 0), at: 30)
    _ = driver.send(.gave("worker-3", 1, from: 0), at: 31)
    _ = driver.send(.leave("worker-2"), at: 37)
    #expect(
      line(41) == "round 1 (version 1 of 2): waiting for 1 of 3 workers"
        + " (worker-2, disconnected 4 s); round ends in 79 s")
    var failing = driver
    _ = failing.send(.woke, at: 120)
    #expect(
      failing.engine.status.line(at: seconds(122))
        == "round 1 failed, 1 in a row; next attempt in 3 s")
    _ = driver.send(.gave("worker-2", 1, from: 0), at: 50)
    #expect(
      line(52) == "round 1 (version 1 of 2): aggregating 3 contributions since 2 s")
    _ = driver.send(.stopped(reason: "by hand"), at: 53)
    #expect(line(60) == "stopped at version 0: by hand")
  }

  @Test func everyAwaitedWorkerHasASinceAndAnUntil() throws {
    var driver = try EngineDriver(RoundEngineTests.rules(minimum: 3))
    driver.join("a", "b", "c", at: 0)
    _ = driver.send(.leave("c"), at: 10)
    #expect(driver.engine.status.awaited.map(\.worker.rawValue) == ["a", "b", "c"])
    #expect(driver.engine.status.awaited.map(\.until) == [100, 100, 100].map(seconds))
    #expect(driver.engine.status.awaited.map(\.since) == [0, 0, 10].map(seconds))
    #expect(driver.engine.status.awaited.map(\.isConnected) == [true, true, false])
    _ = driver.send(.gave("a", 1, from: 0), at: 11)
    _ = driver.send(.gave("b", 1, from: 0), at: 12)
    #expect(driver.engine.status.awaited.map(\.until) == [seconds(20)])
    #expect(driver.engine.status.contributionCount == 2)
    #expect(driver.engine.status.quorum == 2)
  }

  @Test func manyNamesAreCountedNotListed() throws {
    var driver = try EngineDriver(RoundEngineTests.rules(cohort: 9, minimum: 9))
    driver.join("a", "b", "c", "d", "e", "f", "g", "h", "i", at: 0)
    #expect(
      driver.engine.status.line(at: seconds(1)) == "round 1 (version 1 of 2):"
        + " waiting for 9 of 9 workers (a, b, c, d and 5 more); round ends in 99 s")
  }
}
