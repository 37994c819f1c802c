// SPDX-License-Identifier: Apache-2.0
public import Digests

/// How the steps of a run are taken in which losses travel instead of updates.
public struct StepRules: Codable, Hashable, Sendable {
  /// How many versions there will be, who must be there, and how long is waited.
  ///
  /// Of these, a step does not look at the cohort, over-selection and the grace for absence: everyone
  /// who is here takes part, and a closed connection is a death at once. The first step waits for
  /// `minimumWorkers`, those after it for the quorum.
  public var rounds: RoundRules
  /// How many queries a group evaluates in a step, on average over the groups.
  public var queryCount: Int
  /// The fewest queries that a group can be given.
  public var leastQueryCount: Int
  /// How many workers are a group.
  ///
  /// All of a group evaluate the same queries, each on examples of its own; in a group of one nobody
  /// else has the same directions.
  public var groupSize: Int
  /// Whether a group is two workers with the same data, of whom each evaluates one sign.
  ///
  /// `groupSize` is then 2, and who has no partner is a group of its own that evaluates both.
  public var splitsSigns: Bool
  /// Whether groups that were slower get fewer queries, and faster ones more.
  public var followsSpeed: Bool

  /// Rules by their parts.
  public init(
    rounds: RoundRules, queryCount: Int, leastQueryCount: Int = 1, groupSize: Int = 1,
    splitsSigns: Bool = false, followsSpeed: Bool = true
  ) {
    self.rounds = rounds
    self.queryCount = queryCount
    self.leastQueryCount = leastQueryCount
    self.groupSize = groupSize
    self.splitsSigns = splitsSigns
    self.followsSpeed = followsSpeed
  }

  /// The same rules, if a run can be held by them.
  ///
  /// - Throws: The first rule that is out of its range.
  public func validated() throws(RoundError) -> StepRules {
    _ = try rounds.validated()
    for (name, value, range) in [
      ("queryCount", queryCount, leastQueryCount...1_000_000),
      ("leastQueryCount", leastQueryCount, 1...1_000_000),
      ("groupSize", groupSize, splitsSigns ? 2...2 : 1...Int.max),
    ] where !range.contains(value) {
      throw .unusableRule(
        name: name, value: "\(value)",
        expected: "between \(range.lowerBound) and \(range.upperBound)")
    }
    return self
  }

  /// Who evaluates the same queries: groups in the order of the first worker of each, the workers of a
  /// group in order.
  ///
  /// - Parameters:
  ///   - workers: with the digest of each one's data; nil for data that is nobody else's.
  ///   - single: who is to have no partner.
  public func groups(
    of workers: [WorkerID: Digest?], single: Set<WorkerID> = []
  ) -> [[WorkerID]] {
    let names = workers.keys.sorted()
    guard splitsSigns else {
      let size = max(1, min(groupSize, names.count))
      return stride(from: 0, to: names.count, by: size).map {
        Array(names[$0..<min(names.count, $0 + size)])
      }
    }
    var groups: [[WorkerID]] = []
    // Who has no partner yet, by its data: the number of its group.
    var waiting: [Digest: Int] = [:]
    for worker in names {
      guard let data = workers[worker] ?? nil, !single.contains(worker) else {
        groups.append([worker])
        continue
      }
      if let group = waiting.removeValue(forKey: data) {
        groups[group].append(worker)
      } else {
        waiting[data] = groups.count
        groups.append([worker])
      }
    }
    return groups
  }
}
