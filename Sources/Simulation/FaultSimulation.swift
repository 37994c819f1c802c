// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Rounds

/// One run in virtual time, with faults drawn from a seed, and what became of it.
public struct FaultSimulation: Sendable {
  /// Where all of it is drawn from.
  public let seed: UInt64
  /// What was not as it must be; nil when all was well.
  public let violation: String?
  /// What was seen.
  public let tally: FaultTally
  /// A number that tells this history from others.
  public let historyDigest: UInt64
  /// What happened, one line each, if it was asked for.
  public let lines: [String]

  /// Simulates the run of `seed`; writes its history down if `isWritten`.
  public init(seed: UInt64, isWritten: Bool = false) {
    self.seed = seed
    do {
      var fleet = try Fleet(seed: seed, isWritten: isWritten)
      violation = firstBreach { try fleet.run() }
      tally = fleet.tally
      historyDigest = fleet.history.digest
      lines = fleet.introduction + fleet.history.lines
    } catch {
      violation = "\(error)"
      tally = FaultTally()
      historyDigest = 0
      lines = []
    }
  }
}

extension Fleet {
  /// What the run is like.
  fileprivate var introduction: [String] {
    let rules = scenario.plan.rounds
    let faults = Fault.allCases.filter { scenario.rates[$0, default: 0] > 0 }
    return [
      "\(workers.count) workers, \(rules.versionCount) versions, cohort \(rules.cohortSize), quorum "
        + "\(rules.quorum), minimum \(rules.minimumWorkers), over-selection \(rules.overSelection)",
      "deadline \(rules.deadline), grace \(rules.absenceGrace), retry after \(rules.retryDelay), "
        + "at most \(rules.maximumFailedRounds) failures in a row",
      "\(scenario.plan.updates)",
      scenario.isComparable ? "to be compared with the undisturbed run" : "not to be compared",
      "faults until \(scenario.faultsUntil / 1_000_000_000) s: "
        + faults.map { "\($0) 1:\(scenario.rates[$0, default: 0])" }.joined(separator: ", "),
    ]
  }
}
