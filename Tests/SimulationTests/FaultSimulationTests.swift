// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Simulation

@Suite struct FaultSimulationTests {
  @Test func everyPromiseIsKeptOverManySeedsAndEveryKindOfFaultOccurs() {
    var tally = FaultTally()
    for seed: UInt64 in 0..<240 {
      let simulation = FaultSimulation(seed: seed)
      #expect(simulation.violation == nil, "seed \(seed)")
      tally += simulation.tally
    }
    for fault in Fault.allCases {
      #expect(tally.faults[fault, default: 0] > 0, "\(fault)")
    }
    #expect(tally.recoveryCount > 100 && tally.comparedCount > 40)
    #expect(tally.catchUpCount > 0)
    #expect(tally.versionCount > 500 && tally.writeCount > tally.versionCount)
  }

  @Test func theSameSeedGivesTheSameHistory() {
    for seed: UInt64 in 0..<10 {
      let first = FaultSimulation(seed: seed)
      let second = FaultSimulation(seed: seed, isWritten: true)
      #expect(first.historyDigest == second.historyDigest)
      #expect(first.tally == second.tally)
      #expect(first.lines.count == 5 && second.lines.count > 5)
    }
  }

  @Test func seedsDiffer() {
    #expect(Set((0..<20).map { FaultSimulation(seed: $0).historyDigest }).count == 20)
  }

  /// Other numbers mean that seeds do not do what they did: on purpose, or on another machine.
  @Test func aSeedGivesTheSameHistoryOnEveryMachine() {
    let digests = (0..<4).map { FaultSimulation(seed: $0).historyDigest }
    #expect(
      digests == [
        1_434_877_342_264_643_850, 12_767_489_838_089_820_188, 2_049_545_491_692_502_137,
        16_391_327_632_372_450_996,
      ])
  }

  /// Seeds that have broken a promise, and which.
  @Test(
    arguments: [
      (1, "a contribution that was refused and asked for again was learned twice"),
      (17, "a deadline went away with a clock that was put back"),
      (421, "huge updates made a version that was not finite"),
      (586, "a round that was due made a version of a run that the operator ended"),
      (2598, "failed compression was not reported, and a replica of infinite numbers stored"),
      (20310, "a round that one input filled up and closed"),
      (55061, "an assignment of a round that the same input opened, filled up and closed"),
    ] as [(UInt64, String)])
  func seedsThatBrokeAPromiseKeepIt(seed: UInt64, what: String) {
    #expect(FaultSimulation(seed: seed).violation == nil, "\(what)")
  }
}
