// SPDX-License-Identifier: Apache-2.0

/// What a run is doing now, and for whom it waits since when and until when.
public struct RoundStatus: Codable, Equatable, Sendable {
  /// What the run is doing.
  public enum Phase: String, Codable, Sendable {
    /// Too few workers have joined for a round.
    case gathering
    /// A round failed; the next attempt comes after a delay.
    case resting
    /// Workers learn.
    case training
    /// Contributions are made into a version.
    case aggregating
    /// The run is over.
    case finished
  }

  /// What makes a version.
  public enum Unit: String, Codable, Sendable {
    /// Workers learn, and contribute updates.
    case round
    /// Workers evaluate directions, and answer with losses.
    case step
  }

  /// A worker whose contribution is awaited.
  public struct Awaited: Codable, Equatable, Sendable {
    /// Who is awaited.
    public let worker: WorkerID
    /// Whether it is connected; if not, it may come back.
    public let isConnected: Bool
    /// Since when it works, or is away.
    public let since: RunTime
    /// Until when it is waited for at most.
    public let until: RunTime
  }

  /// What makes a version.
  public let unit: Unit
  /// What the run is doing.
  public let phase: Phase
  /// How many versions have been made.
  public let version: Int
  /// How many versions the run makes.
  public let versionCount: Int
  /// The open round or step, or the last one.
  public let round: Int
  /// Since when the run is in this phase, where that is known.
  public let since: RunTime?
  /// When the phase ends at the latest, where that is known.
  public let until: RunTime?
  /// Who is awaited, in order; empty unless workers learn.
  public let awaited: [Awaited]
  /// How many contributions the round has.
  public let contributionCount: Int
  /// How many workers the round was assigned to, without those that failed.
  public let assignedCount: Int
  /// The fewest contributions that make a version.
  public let quorum: Int
  /// How many workers are connected.
  public let connectedCount: Int
  /// How many must be connected before a round opens.
  public let minimumWorkers: Int
  /// How many rounds have failed since the last version.
  public let failedRoundsInARow: Int
  /// How the run ended; nil while it goes on.
  public let outcome: RoundEngine.Outcome?

  /// The same by a clock that is behind the run's time by `lead`.
  public func byClock(behind lead: Duration) -> RoundStatus {
    guard lead != .zero else { return self }
    return RoundStatus(
      unit: unit, phase: phase, version: version, versionCount: versionCount, round: round,
      since: since.map { $0 - lead }, until: until.map { $0 - lead },
      awaited: awaited.map {
        Awaited(
          worker: $0.worker, isConnected: $0.isConnected, since: $0.since - lead,
          until: $0.until - lead)
      },
      contributionCount: contributionCount, assignedCount: assignedCount, quorum: quorum,
      connectedCount: connectedCount, minimumWorkers: minimumWorkers,
      failedRoundsInARow: failedRoundsInARow, outcome: outcome)
  }

  /// One line for a log, as of `now`.
  public func line(at now: RunTime) -> String {
    switch phase {
    case .gathering:
      let missing = minimumWorkers - connectedCount
      return "waiting for \(missing) more worker\(missing == 1 ? "" : "s") to join"
        + " (\(connectedCount) of \(minimumWorkers) here)\(age(at: now))"
    case .resting:
      return "\(unit) \(round) failed, \(failedRoundsInARow) in a row;"
        + " next attempt\(remaining(at: now))"
    case .training:
      return "\(unit) \(round) (version \(version + 1) of \(versionCount)):"
        + " waiting for \(awaited.count) of \(assignedCount) workers (\(names(at: now)));"
        + " \(unit) ends\(remaining(at: now))"
    case .aggregating:
      return "\(unit) \(round) (version \(version + 1) of \(versionCount)):"
        + " aggregating \(contributionCount) contributions\(age(at: now))"
    case .finished: return outcome.map(\.description) ?? "finished"
    }
  }

  private func names(at now: RunTime) -> String {
    let shown = awaited.prefix(4).map { one in
      one.isConnected
        ? one.worker.rawValue : "\(one.worker), disconnected \(seconds(now - one.since))"
    }
    let more = awaited.count > 4 ? " and \(awaited.count - 4) more" : ""
    return shown.joined(separator: ", ") + more
  }

  private func age(at now: RunTime) -> String {
    since.map { " since \(seconds(now - $0))" } ?? ""
  }

  private func remaining(at now: RunTime) -> String {
    until.map { " in \(seconds($0 - now))" } ?? ""
  }

  private func seconds(_ duration: Duration) -> String {
    "\(max(0, duration.components.seconds)) s"
  }
}

extension RoundEngine {
  /// What the run is doing now: all that a log line or a page needs.
  public var status: RoundStatus {
    switch phase {
    case .gathering(let since): makeStatus(.gathering, since: since)
    case .resting(let until): makeStatus(.resting, until: until)
    case .training(let round):
      makeStatus(
        .training, since: round.openedAt, until: round.deadline, awaited: awaited(in: round),
        contributionCount: round.contributions.count,
        assignedCount: round.assignees.count - round.failures.count)
    case .aggregating(let round):
      makeStatus(
        .aggregating, since: round.closedAt, contributionCount: round.contributions.count,
        assignedCount: round.contributions.count)
    case .finished: makeStatus(.finished)
    }
  }

  private func awaited(in round: OpenRound) -> [RoundStatus.Awaited] {
    let isQuorate = round.contributions.count >= rules.quorum
    return round.sortedAssignees.compactMap { worker, assignee in
      switch assignee {
      case .working(let since):
        .init(worker: worker, isConnected: true, since: since, until: round.deadline)
      case .absent(let since):
        .init(
          worker: worker, isConnected: false, since: since,
          until: isQuorate ? min(round.deadline, since + rules.absenceGrace) : round.deadline)
      case .answered, .failed: nil
      }
    }
  }

  private func makeStatus(
    _ phase: RoundStatus.Phase, since: RunTime? = nil, until: RunTime? = nil,
    awaited: [RoundStatus.Awaited] = [], contributionCount: Int = 0, assignedCount: Int = 0
  ) -> RoundStatus {
    RoundStatus(
      unit: .round, phase: phase, version: version, versionCount: rules.versionCount,
      round: nextRound - 1,
      since: since, until: until, awaited: awaited, contributionCount: contributionCount,
      assignedCount: assignedCount, quorum: rules.quorum, connectedCount: connected.count,
      minimumWorkers: rules.minimumWorkers, failedRoundsInARow: failedRoundsInARow,
      outcome: outcome)
  }
}
