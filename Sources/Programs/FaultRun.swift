// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
internal import Federation
internal import Glibc
public import Simulation

/// Seeds of the fault simulator: one, some, or all from one on.
public struct SeedRange: Equatable, Sendable {
  /// The first seed.
  public let first: UInt64
  /// The seed after the last; nil when there is no last.
  public let end: UInt64?

  /// The seeds in `text`: `7`, `0..1000` (1000 is not among them), or `0..`; nil for anything else.
  public init?(_ text: String) {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first.flatMap({ UInt64($0) }), first < .max else { return nil }
    self.first = first
    if parts.count == 1 {
      end = first + 1
    } else if parts[1] == "." {
      end = nil
    } else {
      guard parts[1].first == ".", let end = UInt64(parts[1].dropFirst()), end > first else {
        return nil
      }
      self.end = end
    }
  }
}

extension SeedRange: ExpressibleByArgument {
  /// The seeds that an argument names.
  public init?(argument: String) { self.init(argument) }
}

/// What became of many simulations.
public struct FaultReport: Encodable, Sendable {
  /// The first seed.
  public let firstSeed: UInt64
  /// How many seeds were run.
  public private(set) var seedCount = 0
  /// What was seen.
  public private(set) var tally = FaultTally()
  /// How long it took.
  public private(set) var seconds = 0.0
  /// How much processor time it took.
  public private(set) var processorSeconds = 0.0
  /// The first seed that did not go well.
  public private(set) var failure: Failure?

  /// A seed that did not go well.
  public struct Failure: Encodable, Sendable {
    /// The seed.
    public let seed: UInt64
    /// What was not as it must be.
    public let violation: String
    /// The last that happened.
    public let lastEvents: [String]
    /// What shows all that happened.
    public let command: String
  }

  init(firstSeed: UInt64) { self.firstSeed = firstSeed }

  mutating func add(_ simulation: FaultSimulation) {
    seedCount += 1
    tally += simulation.tally
    guard let violation = simulation.violation else { return }
    let again = FaultSimulation(seed: simulation.seed, isWritten: true)
    failure = Failure(
      seed: simulation.seed, violation: violation, lastEvents: again.lines.suffix(30),
      command: "tern simulate --faults \(simulation.seed) --trace")
  }

  mutating func end(seconds: Double, processorSeconds: Double) {
    self.seconds = seconds
    self.processorSeconds = processorSeconds
  }

  /// One line, and what went wrong.
  public var text: String {
    let faults = tally.faults
    func sum(_ kinds: Fault...) -> Int { kinds.reduce(0) { $0 + faults[$1, default: 0] } }
    let badMessageCount = sum(
      .corruption, .nonFinite, .weightless, .misplaced, .nonsense, .forgery, .absurdity)
    let parts = [
      "\(tally.versionCount) versions in \(tally.roundCount) rounds",
      "\(sum(.workerKill, .workerKillAtSend, .workerKillAtMemory)) workers killed",
      "\(tally.recoveryCount) coordinators recovered",
      "\(sum(.cut, .halfOpen)) connections cut",
      "\(sum(.workerStop, .coordinatorStop)) processes stopped",
      "\(sum(.duplicate, .replay)) duplicates", "\(badMessageCount) bad messages",
      "\(sum(.clockJump)) clock jumps",
      "\(tally.comparedCount) ends compared with the undisturbed run",
      "\(rounded(seconds)) s", "\(rounded(processorSeconds)) s of processor time",
    ]
    let line = "\(seedCount) seeds: " + parts.joined(separator: ", ")
    guard let failure else { return line + "; all is well" }
    return ([line] + failure.lastEvents).joined(separator: "\n")
      + "\nseed \(failure.seed): \(failure.violation)\nrepeat it: \(failure.command)"
  }

  private func rounded(_ seconds: Double) -> Double { (seconds * 10).rounded() / 10 }
}

/// Simulates the runs of `seeds` on `threadCount` threads, up to the first that does not go well.
///
/// The report is the same for every number of threads, but for the times.
public func simulateFaults(_ seeds: SeedRange, threadCount: Int) async throws -> FaultReport {
  let pool = ComputePool(threadCount: threadCount)
  let begin = (ContinuousClock.now, processorSeconds())
  var report = FaultReport(firstSeed: seeds.first)
  var done: [UInt64: [FaultSimulation]] = [:]
  var wanted = seeds.first
  var next = seeds.first
  try await withThrowingTaskGroup(of: (UInt64, [FaultSimulation]).self) { group in
    func begin() {
      let (start, end) = (next, min(next &+ chunkSize, seeds.end ?? .max))
      guard start < end else { return }
      next = end
      group.addTask {
        (start, try await pool.run { (start..<end).map { FaultSimulation(seed: $0) } })
      }
    }
    for _ in 0..<(2 * threadCount) { begin() }
    while report.failure == nil, let (start, simulations) = try await group.next() {
      try Task.checkCancellation()
      done[start] = simulations
      while report.failure == nil, let simulations = done.removeValue(forKey: wanted) {
        wanted += UInt64(simulations.count)
        for simulation in simulations where report.failure == nil { report.add(simulation) }
        begin()
      }
    }
  }
  report.end(
    seconds: (ContinuousClock.now - begin.0) / .seconds(1),
    processorSeconds: processorSeconds() - begin.1)
  return report
}

private let chunkSize: UInt64 = 32
