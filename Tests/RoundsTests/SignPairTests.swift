// SPDX-License-Identifier: Apache-2.0
import Digests
import Testing

@testable import Rounds

/// Steps of which two workers with the same data evaluate one sign each.
@Suite struct SignPairTests {
  private let here = Digest(of: [1])
  private let there = Digest(of: [2])

  private func driver(
    workers: Int = 2, quorum: Int = 1, queries: Int = 4, failures: Int = 3
  ) throws -> StepDriver {
    try StepDriver(
      workers: workers, quorum: quorum, queries: queries, groupSize: 2, splitsSigns: true,
      failures: failures)
  }

  private func join(_ names: [String: Digest?], _ run: inout StepDriver) -> [String] {
    names.sorted { $0.key < $1.key }.flatMap {
      run.send(.joined(worker($0.key), data: $0.value), at: 0)
    }
  }

  private func answer(_ step: Int, by names: [String], _ run: inout StepDriver, at time: Double)
    -> [String]
  {
    names.flatMap { run.send(.answered(worker($0), step: step), at: time) }
  }

  @Test func whoHasTheSameDataIsPairedInTheOrderOfNames() throws {
    var run = try driver(workers: 7)
    let tasks = join(
      ["a": here, "b": there, "c": here, "d": nil, "e": here, "f": nil, "g": there], &run)
    #expect(
      tasks == [
        "a: step 0 at 0, 0..<4 plus", "c: step 0 at 0, 0..<4 minus",
        "b: step 0 at 0, 4..<8 plus", "g: step 0 at 0, 4..<8 minus", "d: step 0 at 0, 8..<12",
        "e: step 0 at 0, 12..<16", "f: step 0 at 0, 16..<20", "wake at 10.0",
      ])
    #expect(run.engine.signs(of: worker("g"), in: 0) == .minus)
    #expect(run.engine.signs(of: worker("g"), in: 1) == nil)
  }

  @Test func whatIsNotSplitHasBothSignsWhateverTheDataAre() throws {
    var run = try StepDriver(workers: 2, groupSize: 2)
    #expect(
      join(["a": here, "b": here], &run)
        == ["a: step 0 at 0, 0..<4", "b: step 0 at 0, 0..<4", "wake at 10.0"])
  }

  @Test func ofAPairOneAloneCountsForNothing() throws {
    var run = try driver(workers: 3)
    _ = join(["a": here, "b": here, "c": there], &run)
    run.expect(.answered(worker("a"), step: 0), at: 1, [])
    run.expect(.left(worker("b")), at: 1, [])
    // The losses of c make the step; that of a is there, and worth nothing.
    run.expect(.answered(worker("c"), step: 0), at: 2, ["commit 0 of a c"])
    run.expect(
      .committed(step: 0, version: 1), at: 2,
      ["a: step 1 at 1, 0..<4", "c: step 1 at 1, 4..<8", "wake at 12.0"])
    #expect(run.engine.statistics.countedContributionCount == 1)
  }

  @Test func aStepOfHalvesAloneIsNoVersionAndTheNextHasBothSigns() throws {
    var run = try driver()
    _ = join(["a": here, "b": here], &run)
    run.expect(.answered(worker("a"), step: 0), at: 1, [])
    run.expect(.left(worker("b")), at: 2, ["a: step 1 at 0, 0..<4", "wake at 12.0"])
    #expect(run.engine.version == 0 && run.engine.statistics.failedRoundCount == 1)
    // Who left is not relied on before it has answered a step by itself.
    run.expect(.joined(worker("b"), data: here), at: 3, [])
    run.expect(.answered(worker("a"), step: 1), at: 4, ["commit 1 of a"])
    run.expect(
      .committed(step: 1, version: 1), at: 4,
      ["a: step 2 at 1, 0..<4", "b: step 2 at 1, 4..<8", "wake at 14.0"])
    #expect(answer(2, by: ["a", "b"], &run, at: 5) == ["commit 2 of a b"])
    run.expect(
      .committed(step: 2, version: 2), at: 5,
      ["a: step 3 at 2, 0..<4 plus", "b: step 3 at 2, 0..<4 minus", "wake at 15.0"])
  }

  @Test(arguments: [false, true]) func whoFailsOrIsSilentCostsItsPartnerOneStep(
    isSilent: Bool
  ) throws {
    var run = try driver(failures: 2)
    _ = join(["a": here, "b": here], &run)
    run.expect(.answered(worker("a"), step: 0), at: 1, [])
    let account =
      isSilent
      ? "the deadline came with 0 of at least 1 answers; one sign without the other from a; "
        + "nothing from b; again"
      : "workers failed with 0 of at least 1 answers; one sign without the other from a; "
        + "b failed: no memory; again"
    if isSilent {
      run.expect(
        .woke, at: 10, ["b: out of 0, roundFailed", "abandon 0: \(account)", "wake at 11.0"])
    } else {
      run.expect(
        .failed(worker("b"), step: 0, reason: "no memory"), at: 8,
        ["abandon 0: \(account)", "wake at 9.0"])
    }
    // However often it does: the run goes on.
    for number in 1..<6 {
      let (time, version) = (Double(10 + number * 20), number - 1)
      run.expect(
        number == 1 ? .woke : .committed(step: number - 1, version: version), at: time,
        [
          "a: step \(number) at \(version), 0..<4", "b: step \(number) at \(version), 4..<8",
          "wake at \(time + 10)",
        ])
      run.expect(.answered(worker("a"), step: number), at: time + 1, [])
      if isSilent {
        run.expect(.woke, at: time + 10, ["commit \(number) of a"])
      } else {
        run.expect(
          .failed(worker("b"), step: number, reason: "no memory"), at: time + 2,
          ["commit \(number) of a"])
      }
    }
  }

  @Test func theQuorumIsOfLossesThatCount() throws {
    var run = try driver(workers: 3, quorum: 2)
    _ = join(["a": here, "b": here, "c": there], &run)
    #expect(answer(0, by: ["a", "c"], &run, at: 1) == [])
    run.expect(
      .left(worker("b")), at: 2,
      ["a: step 1 at 0, 0..<4", "c: step 1 at 0, 4..<8", "wake at 12.0"])
    #expect(answer(1, by: ["a", "c"], &run, at: 3) == ["commit 1 of a c"])
  }

  @Test func whoComesBackDuringTheStepGetsTheSameSign() throws {
    var run = try driver()
    _ = join(["a": here, "b": here], &run)
    run.expect(.left(worker("b")), at: 1, [])
    run.expect(.joined(worker("b"), data: here), at: 2, ["b: step 0 at 0, 0..<4 minus"])
    #expect(answer(0, by: ["a", "b"], &run, at: 3) == ["commit 0 of a b"])
    _ = run.send(.committed(step: 0, version: 1), at: 3)
  }

  @Test(arguments: [false, true]) func whoComesBackWithOtherDataIsNoPartnerAnyMore(
    hasLeft: Bool
  ) throws {
    var run = try driver()
    _ = join(["a": here, "b": here], &run)
    if hasLeft { run.expect(.left(worker("b")), at: 1, []) }
    run.expect(.joined(worker("b"), data: there), at: 1, [])
    run.expect(
      .answered(worker("a"), step: 0), at: 2,
      ["a: step 1 at 0, 0..<4", "b: step 1 at 0, 4..<8", "wake at 12.0"])
  }

  @Test func aWorkerWithoutAPartnerHasTwiceTheWorkAndGetsHalfTheQueries() throws {
    var run = try driver(workers: 3, queries: 6)
    _ = join(["a": here, "b": here, "c": there], &run)
    let names = ["a", "b", "c"]
    var time = 0.0
    // A loss takes everybody a tenth of a second.
    for number in 0..<12 {
      let taken = names.map { name in
        let count = run.engine.queries(of: worker(name), in: number)?.count ?? 0
        return 0.1 * Double(count) * (name == "c" ? 2 : 1)
      }
      run.step(number, by: names, taking: taken, at: time)
      time += taken.max() ?? 0
    }
    #expect(names.map { run.engine.queries(of: worker($0), in: 12)?.count } == [8, 8, 4])
  }
}
