// SPDX-License-Identifier: Apache-2.0
internal import Federation
public import Simulation

/// What became of many simulations of runs by steps.
public struct StepFaultReport: Encodable, Sendable {
  /// How many seeds were run.
  public private(set) var seedCount = 0
  /// How many versions each makes.
  public let versionCount: Int
  /// What was seen.
  public private(set) var tally = StepFaultTally()
  /// How long it took.
  public fileprivate(set) var seconds = 0.0
  /// How much processor time it took.
  public fileprivate(set) var processorSeconds = 0.0
  /// The first seed that did not go well.
  public private(set) var failure: FaultReport.Failure?

  init(versionCount: Int) { self.versionCount = versionCount }

  mutating func add(_ simulation: StepFaultSimulation) {
    seedCount += 1
    tally += simulation.tally
    guard let violation = simulation.violation else { return }
    let again = StepFaultSimulation(
      seed: simulation.seed, versionCount: versionCount, isWritten: true)
    failure = FaultReport.Failure(
      seed: simulation.seed, violation: violation, lastEvents: again.lines.suffix(30),
      command: "tern simulate --faults \(simulation.seed) --steps \(versionCount) --trace")
  }

  /// One line, and what went wrong.
  public var text: String {
    let line =
      "\(seedCount) seeds: \(tally.line), \(fixed(seconds, 1)) s, \(fixed(processorSeconds, 1)) s "
      + "of processor time"
    guard let failure else { return line + "; all is well" }
    return ([line] + failure.lastEvents).joined(separator: "\n")
      + "\nseed \(failure.seed): \(failure.violation)\nrepeat it: \(failure.command)"
  }
}

/// Simulates the runs by steps of `seeds` on `threadCount` threads, up to the first that does not go
/// well.
///
/// The report is the same for every number of threads, but for the times.
public func simulateStepFaults(
  _ seeds: SeedRange, versionCount: Int, threadCount: Int
) async throws -> StepFaultReport {
  let pool = ComputePool(threadCount: threadCount)
  let begin = (ContinuousClock.now, processorSeconds())
  var report = StepFaultReport(versionCount: versionCount)
  var next = seeds.first
  while report.failure == nil, next < seeds.end ?? .max {
    try Task.checkCancellation()
    let chunk = next..<min(next &+ UInt64(4 * threadCount), seeds.end ?? .max)
    let simulations = try await withThrowingTaskGroup(of: StepFaultSimulation.self) { group in
      for seed in chunk {
        group.addTask {
          try await pool.run { StepFaultSimulation(seed: seed, versionCount: versionCount) }
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    for simulation in simulations.sorted(by: { $0.seed < $1.seed }) where report.failure == nil {
      report.add(simulation)
    }
    next = chunk.upperBound
  }
  report.seconds = (ContinuousClock.now - begin.0) / .seconds(1)
  report.processorSeconds = processorSeconds() - begin.1
  return report
}
