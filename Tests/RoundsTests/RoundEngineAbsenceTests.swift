// SPDX-License-Identifier: Apache-2.0
import Rounds
import Testing

/// Workers that leave, come back, come late, or fail; coordinators that come back; odd clocks.
@Suite struct RoundEngineAbsenceTests {
  static func rules(cohort: Int = 3, over: Double = 1, quorum: Int = 2, minimum: Int? = nil)
    -> RoundRules
  {
    RoundEngineTests.rules(cohort: cohort, over: over, quorum: quorum, minimum: minimum)
  }

  @Test func whoComesBackIsAssignedTheSameAgain() throws {
    var driver = try EngineDriver(Self.rules())
    driver.join("a", "b", at: 0)
    driver.expect(.leave("b"), at: 10, ["wake 20"])
    driver.expect(.woke, at: 20, ["wake 100"])
    driver.expect(.join("b"), at: 30, ["assign b 1 from 0 until 100"])
    // A second connection without word of the first one's end.
    driver.expect(.join("b"), at: 31, ["assign b 1 from 0 until 100"])
    driver.expect(.gave("b", 1, from: 0), at: 32, ["accept b 1"])
    driver.expect(.leave("b"), at: 33, [])
    driver.expect(.join("b"), at: 34, [])
  }

  @Test func whatAnAbsentWorkerSentCounts() throws {
    var driver = try EngineDriver(Self.rules())
    driver.join("a", "b", at: 0)
    _ = driver.send(.leave("b"), at: 1)
    driver.expect(.gave("b", 1, from: 0), at: 2, ["accept b 1", "wake 100"])
    driver.expect(.gave("a", 1, from: 0), at: 3, ["accept a 1", "aggregate 1 of a b"])
  }

  @Test func withAQuorumTheRoundWaitsForTheAbsentAsLongAsTheGrace() throws {
    var driver = try EngineDriver(Self.rules(minimum: 3))
    driver.join("a", "b", "c", at: 0)
    _ = driver.send(.gave("a", 1, from: 0), at: 1)
    driver.expect(.leave("c"), at: 10, ["wake 20"])
    driver.expect(.woke, at: 20, ["wake 100"])
    #expect(driver.engine.status.phase == .training)
    driver.expect(.gave("b", 1, from: 0), at: 25, ["accept b 1", "aggregate 1 of a b"])
  }

  @Test func theGraceIsCountedFromTheLastAbsence() throws {
    var driver = try EngineDriver(Self.rules(cohort: 4, minimum: 4))
    driver.join("a", "b", "c", "d", at: 0)
    _ = driver.send(.gave("a", 1, from: 0), at: 1)
    _ = driver.send(.gave("b", 1, from: 0), at: 1)
    driver.expect(.leave("c"), at: 10, ["wake 20"])
    driver.expect(.leave("d"), at: 15, [])
    driver.expect(.woke, at: 20, ["wake 25"])
    driver.expect(.woke, at: 25, ["aggregate 1 of a b"])
  }

  @Test func whoIsStillAtWorkIsWaitedForThoughOthersAreAway() throws {
    var driver = try EngineDriver(Self.rules(cohort: 4, minimum: 4))
    driver.join("a", "b", "c", "d", at: 0)
    _ = driver.send(.gave("a", 1, from: 0), at: 1)
    _ = driver.send(.gave("b", 1, from: 0), at: 1)
    _ = driver.send(.leave("c"), at: 10)
    driver.expect(.woke, at: 20, ["wake 100"])
    driver.expect(.gave("d", 1, from: 0), at: 50, ["accept d 1", "aggregate 1 of a b d"])
  }

  @Test func beforeTheQuorumNoAbsenceEndsTheRound() throws {
    var driver = try EngineDriver(Self.rules(quorum: 3))
    driver.join("a", "b", "c", at: 0)
    _ = driver.send(.gave("a", 1, from: 0), at: 1)
    _ = driver.send(.gave("b", 1, from: 0), at: 1)
    driver.expect(.leave("c"), at: 10, ["wake 20"])
    driver.expect(.woke, at: 20, ["wake 100"])
    driver.expect(.join("c"), at: 90, ["assign c 1 from 0 until 100"])
    driver.expect(.gave("c", 1, from: 0), at: 95, ["accept c 1", "aggregate 1 of a b c"])
  }

  @Test func whoStandsByTakesThePlaceOfWhoIsAwayTooLong() throws {
    var driver = try EngineDriver(Self.rules(cohort: 2, minimum: 3))
    driver.join("a", "b", at: 0)
    let assigned = driver.send(.join("c"), at: 0).filter { $0.hasPrefix("assign") }
    let here = assigned.map { String($0.split(separator: " ")[1]) }
    let spare = Set(["a", "b", "c"]).subtracting(here).sorted()[0]
    driver.expect(.leave(here[0]), at: 10, ["wake 20"])
    driver.expect(.woke, at: 20, ["assign \(spare) 1 from 0 until 100", "wake 100"])
    // Whoever is first counts.
    driver.expect(.join(here[0]), at: 30, ["assign \(here[0]) 1 from 0 until 100"])
    _ = driver.send(.gave(here[0], 1, from: 0), at: 31)
    let cohort = here.joined(separator: " ")
    driver.expect(
      .gave(here[1], 1, from: 0), at: 32,
      ["accept \(here[1]) 1", "release \(spare) 1 enough", "aggregate 1 of \(cohort)"])
  }

  @Test func whoComesLateHelpsWhileTheRoundWantsMore() throws {
    var driver = try EngineDriver(Self.rules())
    driver.join("a", "b", at: 0)
    driver.expect(.join("c"), at: 50, ["assign c 1 from 0 until 100"])
    driver.expect(.join("d"), at: 51, [])
    _ = driver.send(.gave("a", 1, from: 0), at: 60)
    _ = driver.send(.gave("b", 1, from: 0), at: 60)
    driver.expect(.gave("c", 1, from: 0), at: 61, ["accept c 1", "aggregate 1 of a b c"])
  }

  @Test func whoStandsByTakesThePlaceOfWhoFails() throws {
    var driver = try EngineDriver(Self.rules(cohort: 2))
    driver.join("a", "b", "c", at: 0)
    driver.expect(.fail("a", 1), at: 1, ["assign c 1 from 0 until 100"])
    driver.expect(.fail("a", 1), at: 1, ["disregard duplicate"])
    driver.expect(.gave("a", 1, from: 0), at: 2, ["refuse a 1 withdrawn"])
    driver.expect(.join("a"), at: 2, [])
    _ = driver.send(.gave("b", 1, from: 0), at: 3)
    driver.expect(.gave("c", 1, from: 0), at: 3, ["accept c 1", "aggregate 1 of b c"])
    #expect(driver.engine.statistics.reportedFailureCount == 1)
  }

  @Test func withoutAnyoneStandingByTheRoundGoesOn() throws {
    var driver = try EngineDriver(Self.rules(minimum: 3))
    driver.join("a", "b", "c", at: 0)
    driver.expect(.fail("a", 1), at: 1, [])
    _ = driver.send(.gave("b", 1, from: 0), at: 2)
    driver.expect(.gave("c", 1, from: 0), at: 3, ["accept c 1", "aggregate 1 of b c"])
  }

  @Test func theLastFailureEndsARoundThatHasItsQuorum() throws {
    var driver = try EngineDriver(Self.rules(minimum: 3))
    driver.join("a", "b", "c", at: 0)
    _ = driver.send(.gave("b", 1, from: 0), at: 2)
    _ = driver.send(.gave("c", 1, from: 0), at: 3)
    driver.expect(.fail("a", 1), at: 4, ["aggregate 1 of b c"])
  }

  @Test func withoutHopeOfAQuorumTheRoundFailsAtOnce() throws {
    var driver = try EngineDriver(Self.rules())
    driver.join("a", "b", at: 0)
    let effects = driver.engine.handle(.fail("a", 1), at: seconds(1))
    #expect(
      effects.map(\.short) == ["release b 1 roundFailed", "abandon 1, 6 again", "wake 6"])
    guard effects.count == 3, case .abandon(_, let reason, _) = effects[1] else { return }
    #expect(
      reason == "too many workers failed with 0 of at least 2 contributions;"
        + " nothing from b; a failed: out of memory")
    // In the next round the worker has another chance.
    driver.expect(
      .woke, at: 6, ["assign a 2 from 0 until 106", "assign b 2 from 0 until 106", "wake 106"])
  }

  @Test func aWorkerThatLeavesIsNotAssignedInTheNextRound() throws {
    var driver = try EngineDriver(Self.rules())
    driver.join("a", "b", "c", at: 0)
    _ = driver.send(.leave("a"), at: 1)
    _ = driver.send(.gave("b", 1, from: 0), at: 2)
    _ = driver.send(.gave("c", 1, from: 0), at: 2)
    driver.expect(.woke, at: 11, ["aggregate 1 of b c"])
    driver.expect(
      .aggregated(round: 1, version: 1), at: 12,
      [
        "assign b 2 from 1 until 112 counted 0", "assign c 2 from 1 until 112 counted 0",
        "wake 112",
      ])
  }

  // MARK: - The coordinator comes back

  @Test func aRoundSurvivesTheCoordinator() throws {
    var driver = try EngineDriver(Self.rules(quorum: 3))
    driver.join("a", "b", "c", at: 0)
    _ = driver.send(.gave("b", 1, from: 0), at: 1)
    // The deadline passed while nobody could answer: that is nobody's failure.
    driver.expect(.restarted, at: 1000, ["wake 1010"])
    driver.expect(.join("c"), at: 1001, ["assign c 1 from 0 until 1100"])
    driver.expect(.join("b"), at: 1002, [])
    driver.expect(.gave("b", 1, from: 0), at: 1003, ["accept b 1", "disregard duplicate"])
    driver.expect(.join("a"), at: 1004, ["assign a 1 from 0 until 1100", "wake 1100"])
    _ = driver.send(.gave("a", 1, from: 0), at: 1005)
    driver.expect(.gave("c", 1, from: 0), at: 1006, ["accept c 1", "aggregate 1 of a b c"])
    // Killed before the commit: the same is aggregated again.
    driver.expect(.restarted, at: 1007, ["aggregate 1 of a b c"])
    driver.expect(.aggregated(round: 1, version: 1), at: 1008, [])
    driver.expect(.restarted, at: 1009, [])
    #expect(driver.engine.status.phase == .gathering)
    #expect(driver.engine.statistics.restartCount == 3)
  }

  @Test func aRestAndAnEndSurviveTheCoordinator() throws {
    var driver = try EngineDriver(Self.rules())
    driver.join("a", "b", at: 0)
    _ = driver.send(.woke, at: 100)
    driver.expect(.restarted, at: 101, ["wake 105"])
    driver.expect(.woke, at: 105, [])
    driver.expect(.stopped(reason: "x"), at: 106, ["finish stopped at version 0: x"])
    driver.expect(.restarted, at: 107, ["finish stopped at version 0: x"])
  }

  // MARK: - Clocks

  @Test func aLostWakeDelaysNothingOnceSomethingHappens() throws {
    var driver = try EngineDriver(Self.rules(minimum: 3))
    driver.join("a", "b", "c", at: 0)
    _ = driver.send(.gave("a", 1, from: 0), at: 1)
    _ = driver.send(.gave("b", 1, from: 0), at: 1)
    driver.expect(
      .gave("c", 1, from: 0), at: 100.5,
      ["release c 1 deadline", "aggregate 1 of a b", "refuse c 1 late"])
  }

  @Test func anEarlyWakeIsAskedForAgain() throws {
    var driver = try EngineDriver(Self.rules())
    driver.join("a", "b", at: 0)
    driver.expect(.woke, at: 99.9, ["wake 100"])
  }

  @Test func timeNeverGoesBack() throws {
    var driver = try EngineDriver(Self.rules())
    driver.join("a", "b", at: 500)
    driver.expect(.leave("a"), at: 100, ["wake 510"])
    driver.expect(.join("a"), at: -1e6, ["assign a 1 from 0 until 600", "wake 600"])
  }

  @Test func theEndOfTimeIsNoOverflow() throws {
    var driver = try EngineDriver(Self.rules())
    let end = RunTime(nanoseconds: .max)
    for event in [RoundEngine.Event.join("a"), .join("b"), .leave("b"), .restarted, .woke] {
      _ = driver.engine.handle(event, at: end)
      #expect(driver.engine.invariants == [])
    }
  }
}
