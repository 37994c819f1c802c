// SPDX-License-Identifier: Apache-2.0

/// What a run has counted so far.
public struct RoundStatistics: Codable, Equatable, Sendable {
  /// Rounds opened, retries among them.
  public internal(set) var openedRoundCount = 0
  /// Rounds that made no version.
  public internal(set) var failedRoundCount = 0
  /// Assignments given, repetitions to a reconnected worker among them.
  public internal(set) var assignmentCount = 0
  /// Contributions taken into a round, each once.
  public internal(set) var contributionCount = 0
  /// Contributions that versions were made of.
  public internal(set) var countedContributionCount = 0
  /// Failures that assigned workers reported.
  public internal(set) var reportedFailureCount = 0
  /// Workers' connections.
  public internal(set) var joinCount = 0
  /// Times the coordinator came back.
  public internal(set) var restartCount = 0
  /// Events that changed nothing, by why.
  public internal(set) var disregarded: [RoundEngine.DisregardReason: Int] = [:]

  /// How many events were disregarded for `reason`.
  public func disregardedCount(_ reason: RoundEngine.DisregardReason) -> Int {
    disregarded[reason] ?? 0
  }
}
