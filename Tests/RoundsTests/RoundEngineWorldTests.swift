// SPDX-License-Identifier: Apache-2.0
import Rounds
import Testing

/// Rounds among workers that behave, over connections and with clocks that do not.
@Suite struct RoundEngineWorldTests {
  @Test(arguments: 1...8) func afterTheFaultsEndTheRunCompletes(block: Int) throws {
    for seed in (block * 10)..<(block * 10 + 10) {
      var world = try World(
        seed: UInt64(seed), workerCount: 5,
        rules: RoundRules(
          versionCount: 6, cohortSize: 3, quorum: 2, deadline: .seconds(60),
          absenceGrace: .seconds(8), maximumFailedRounds: 1_000_000, retryDelay: .seconds(2)),
        faultsUntil: 400)
      let end = try world.run()
      #expect(world.engine.outcome == .completed(version: 6), "seed \(seed)")
      #expect(end < 400 + 6 * 70, "seed \(seed) took until \(end)")
      #expect(world.complaints == [], "seed \(seed)")
    }
  }

  @Test(arguments: 1...8) func withAllInTheQuorumFaultsChangeNoVersion(block: Int) throws {
    for seed in (block * 10)..<(block * 10 + 10) {
      var world = try World(
        seed: UInt64(seed), workerCount: 3,
        rules: RoundRules(
          versionCount: 5, cohortSize: 3, deadline: .seconds(60), absenceGrace: .seconds(8),
          maximumFailedRounds: 1_000_000, retryDelay: .seconds(2)),
        faultsUntil: 300)
      let end = try world.run()
      #expect(end < 300 + 5 * 70, "seed \(seed) took until \(end)")
      #expect(world.complaints == [], "seed \(seed)")
      let expected = (0..<5).map { version in
        ["w0", "w1", "w2"].map { World.payload(of: worker($0), from: version) }
      }
      #expect(world.versions == expected, "seed \(seed)")
    }
  }

  @Test func withoutFaultsNothingIsRefusedOrRetried() throws {
    var world = try World(
      seed: 7, workerCount: 4,
      rules: RoundRules(versionCount: 20, cohortSize: 4, deadline: .seconds(60)), faultsUntil: 0)
    _ = try world.run()
    #expect(world.complaints == [])
    #expect(world.versions.count == 20)
    #expect(world.engine.statistics.disregarded == [:])
    #expect(world.engine.statistics.openedRoundCount == 20)
    #expect(world.engine.statistics.assignmentCount == 80)
  }
}
