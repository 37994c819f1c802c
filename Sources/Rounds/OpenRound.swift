// SPDX-License-Identifier: Apache-2.0

/// A round while workers learn.
struct OpenRound: Codable, Equatable, Sendable {
  let number: Int
  let baseVersion: Int
  let openedAt: RunTime
  var deadline: RunTime
  var assignees: [WorkerID: Assignee] = [:]

  /// Where a worker stands with its assignment.
  enum Assignee: Codable, Equatable, Sendable {
    case working(since: RunTime)
    case absent(since: RunTime)
    case answered(Contribution)
    case failed(reason: String)
  }

  /// What is in, in the order of the workers.
  var contributions: [Contribution] {
    sortedAssignees.compactMap { _, assignee in
      if case .answered(let contribution) = assignee { contribution } else { nil }
    }
  }

  /// Who was assigned and has neither answered nor failed, in order.
  var outstanding: [WorkerID] {
    sortedAssignees.compactMap { worker, assignee in
      switch assignee {
      case .working, .absent: worker
      case .answered, .failed: nil
      }
    }
  }

  /// Since when each absent worker is away, in the order of the workers.
  var absences: [RunTime] {
    sortedAssignees.compactMap { _, assignee in
      if case .absent(let since) = assignee { since } else { nil }
    }
  }

  /// Who reported failure and why, in order.
  var failures: [(worker: WorkerID, reason: String)] {
    sortedAssignees.compactMap { worker, assignee in
      if case .failed(let reason) = assignee { (worker, reason) } else { nil }
    }
  }

  /// Every walk over the workers takes this order, so that replays never differ.
  var sortedAssignees: [(WorkerID, Assignee)] {
    assignees.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// How many workers hold a place: those away for longer than `grace` do not.
  func heldPlaceCount(at now: RunTime, grace: Duration) -> Int {
    assignees.values.count { assignee in
      switch assignee {
      case .working, .answered: true
      case .absent(let since): now < since + grace
      case .failed: false
      }
    }
  }

  /// Whether somebody is outstanding, and everybody who is has been away for `grace`.
  func isAbandoned(at now: RunTime, grace: Duration) -> Bool {
    let absences = absences
    return !absences.isEmpty && absences.count == outstanding.count
      && absences.allSatisfy { now >= $0 + grace }
  }

  /// One line on why the round failed: what came, what did not, and from whom.
  func account(of why: String, quorum: Int) -> String {
    var parts = ["\(why) with \(contributions.count) of at least \(quorum) contributions"]
    if !outstanding.isEmpty { parts.append("nothing from \(listed(outstanding))") }
    if let first = failures.first {
      let others = failures.count == 1 ? "" : " and \(failures.count - 1) more"
      parts.append("\(first.worker) failed: \(first.reason)\(others)")
    }
    return parts.joined(separator: "; ")
  }
}

/// A round whose contributions are being made into a version.
struct ClosedRound: Codable, Equatable, Sendable {
  let number: Int
  let baseVersion: Int
  let closedAt: RunTime
  let contributions: [Contribution]
}

/// The first few names, and how many more there are.
func listed(_ workers: [WorkerID]) -> String {
  let shown = workers.prefix(4).map(\.rawValue).joined(separator: ", ")
  return workers.count > 4 ? "\(shown) and \(workers.count - 4) more" : shown
}
