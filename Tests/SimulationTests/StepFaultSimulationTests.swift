// SPDX-License-Identifier: Apache-2.0
import Simulation
import Testing

struct StepFaultSimulationTests {
  /// `tern simulate --faults 0..1000 --steps 500` does the same on a larger scale.
  @Test(arguments: 0..<4) func replicasReplayAndSnapshotsAreTheSameBits(block: Int) {
    var tally = StepFaultTally()
    for seed in (block * 15)..<(block * 15 + 15) {
      let simulation = StepFaultSimulation(seed: UInt64(seed), versionCount: 110)
      #expect(simulation.violation == nil, "seed \(seed)")
      tally += simulation.tally
    }
    // What is not seen is not tested.
    #expect(tally.versionCount == 15 * 110)
    #expect(tally.workerDeathCount > 0 && tally.coordinatorDeathCount > 0)
    #expect(tally.dropCount > 0 && tally.duplicateCount > 0 && tally.reorderCount > 0)
    #expect(tally.falseAnswerCount > 0 && tally.nonFiniteCount > 0)
    #expect(tally.splitTaskCount > 0)
  }

  @Test func aSeedIsOneHistory() {
    let one = StepFaultSimulation(seed: 3, versionCount: 60)
    let other = StepFaultSimulation(seed: 3, versionCount: 60, isWritten: true)
    #expect(one.historyDigest == other.historyDigest && one.lines.count < other.lines.count)
    #expect(one.historyDigest != StepFaultSimulation(seed: 4, versionCount: 60).historyDigest)
  }
}
