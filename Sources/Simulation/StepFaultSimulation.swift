// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Rounds

/// One run by steps in virtual time, with faults drawn from a seed, and what became of it.
public struct StepFaultSimulation: Sendable {
  /// Where all of it is drawn from.
  public let seed: UInt64
  /// What was not as it must be; nil when all was well.
  public let violation: String?
  /// What was seen.
  public let tally: StepFaultTally
  /// A number that tells this history from others.
  public let historyDigest: UInt64
  /// What happened, one line each, if it was asked for.
  public let lines: [String]

  /// Simulates the run of `seed` with so many versions; writes its history down if `isWritten`.
  public init(seed: UInt64, versionCount: Int, isWritten: Bool = false) {
    self.seed = seed
    do {
      var fleet = try StepFleet(seed: seed, versionCount: versionCount, isWritten: isWritten)
      violation = firstBreach { try fleet.run() }
      tally = StepFaultTally(fleet)
      historyDigest = fleet.history.digest
      lines = fleet.introduction + fleet.history.lines
    } catch {
      violation = "\(error)"
      tally = StepFaultTally()
      historyDigest = 0
      lines = []
    }
  }
}

/// What was seen over simulations of runs by steps.
public struct StepFaultTally: Codable, Equatable, Sendable {
  /// Versions that were made.
  public private(set) var versionCount = 0
  /// Snapshots that were written.
  public private(set) var snapshotCount = 0
  /// Times a coordinator was killed.
  public private(set) var coordinatorDeathCount = 0
  /// Times a worker was killed.
  public private(set) var workerDeathCount = 0
  /// Messages that vanished.
  public private(set) var dropCount = 0
  /// Messages that came twice.
  public private(set) var duplicateCount = 0
  /// Messages that came out of order.
  public private(set) var reorderCount = 0
  /// Answers to what nobody had asked for.
  public private(set) var falseAnswerCount = 0
  /// Losses that were not finite.
  public private(set) var nonFiniteCount = 0
  /// Replicas that were tampered with.
  public private(set) var bitFlipCount = 0
  /// Replicas that were found out, and replaced.
  public private(set) var quarantineCount = 0
  /// Tasks of one sign.
  public private(set) var splitTaskCount = 0

  /// Nothing seen yet.
  public init() {}

  init(_ fleet: StepFleet) {
    versionCount = fleet.log.records.count
    snapshotCount = fleet.log.snapshotCount
    coordinatorDeathCount = fleet.coordinatorLife
    workerDeathCount = fleet.processes.reduce(0) { $0 + $1.life }
    dropCount = fleet.counts[.drop] ?? 0
    duplicateCount = fleet.counts[.duplicate] ?? 0
    reorderCount = fleet.counts[.reorder] ?? 0
    falseAnswerCount = fleet.counts[.falseAnswer] ?? 0
    nonFiniteCount = fleet.counts[.nonFinite] ?? 0
    bitFlipCount = fleet.counts[.bitFlip] ?? 0
    quarantineCount = fleet.quarantineCount
    splitTaskCount = fleet.splitTaskCount
  }

  /// Adds what was seen elsewhere.
  public static func += (left: inout StepFaultTally, right: StepFaultTally) {
    left.versionCount += right.versionCount
    left.snapshotCount += right.snapshotCount
    left.coordinatorDeathCount += right.coordinatorDeathCount
    left.workerDeathCount += right.workerDeathCount
    left.dropCount += right.dropCount
    left.duplicateCount += right.duplicateCount
    left.reorderCount += right.reorderCount
    left.falseAnswerCount += right.falseAnswerCount
    left.nonFiniteCount += right.nonFiniteCount
    left.bitFlipCount += right.bitFlipCount
    left.quarantineCount += right.quarantineCount
    left.splitTaskCount += right.splitTaskCount
  }

  /// One line.
  public var line: String {
    "\(versionCount) versions, \(snapshotCount) snapshots, \(workerDeathCount) workers killed, "
      + "\(coordinatorDeathCount) coordinators recovered, \(dropCount) messages lost, "
      + "\(duplicateCount) doubled, \(reorderCount) out of order, "
      + "\(falseAnswerCount) false answers, \(nonFiniteCount) losses not finite, "
      + "\(bitFlipCount) replicas changed, \(quarantineCount) quarantined, "
      + "\(splitTaskCount) tasks of one sign"
  }
}

extension StepFleet {
  /// What the run is like.
  fileprivate var introduction: [String] {
    [
      "\(processes.count) workers, quorum \(scenario.plan.rounds.quorum), "
        + "\(scenario.plan.training)",
      "faults until \(scenario.faultsUntil / 1_000_000_000) s: "
        + StepScenario.Mischief.allCases.compactMap { mischief in
          scenario.rates[mischief].map { "\(mischief) 1:\($0)" }
        }.joined(separator: ", "),
    ]
  }
}
