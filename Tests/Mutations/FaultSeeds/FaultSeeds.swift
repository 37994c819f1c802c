// SPDX-License-Identifier: Apache-2.0
import Simulation

/// Runs the seeds 0 ..< N and says at which one the first promise was broken, and how.
@main
enum FaultSeeds {
  static func main() {
    let count = CommandLine.arguments.dropFirst().first.flatMap(UInt64.init) ?? 1_000
    for seed in 0..<count {
      let simulation = FaultSimulation(seed: seed)
      guard let violation = simulation.violation else { continue }
      print("found at seed \(seed): \(violation)")
      return
    }
    print("not found in \(count) seeds")
  }
}
