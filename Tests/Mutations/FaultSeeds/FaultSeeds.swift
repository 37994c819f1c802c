// SPDX-License-Identifier: Apache-2.0
import Simulation

/// Runs the seeds 0 ..< N and says at which one the first promise was broken, and how; with a second
/// argument those of runs by steps, of so many versions.
@main
enum FaultSeeds {
  static func main() {
    let count = CommandLine.arguments.dropFirst().first.flatMap(UInt64.init) ?? 1_000
    let versionCount = CommandLine.arguments.dropFirst(2).first.flatMap(Int.init)
    for seed in 0..<count {
      let violation =
        versionCount.map { StepFaultSimulation(seed: seed, versionCount: $0).violation }
        ?? FaultSimulation(seed: seed).violation
      guard let violation else { continue }
      print("found at seed \(seed): \(violation)")
      return
    }
    print("not found in \(count) seeds")
  }
}
