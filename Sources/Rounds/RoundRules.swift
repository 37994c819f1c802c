// SPDX-License-Identifier: Apache-2.0

/// How the rounds of a run are held: how many, with whom, how long, and what counts as enough.
public struct RoundRules: Codable, Hashable, Sendable {
  /// How many commits the run makes.
  public var versionCount: Int
  /// How many contributions complete a round.
  public var cohortSize: Int
  /// How many times the cohort is assigned, so that a slow worker holds no one up; 1 or more.
  public var overSelection: Double
  /// The fewest contributions that make a version; at most the cohort.
  public var quorum: Int
  /// How many workers must have joined before a round opens; at least the quorum.
  public var minimumWorkers: Int
  /// How long a round may last.
  public var deadline: Duration
  /// How long an assigned worker may be disconnected before it is no longer waited for.
  ///
  /// A round that has its quorum ends when everyone outstanding is away for so long; before that,
  /// a joined worker that stood by takes the place of the absent one.
  public var absenceGrace: Duration
  /// The run fails with this many failed rounds in a row.
  public var maximumFailedRounds: Int
  /// How long the run rests after a failed round.
  public var retryDelay: Duration

  /// Rules of a run; the quorum is the whole cohort unless given, the minimum is the quorum.
  public init(
    versionCount: Int, cohortSize: Int, overSelection: Double = 1.3, quorum: Int? = nil,
    minimumWorkers: Int? = nil, deadline: Duration = .seconds(600),
    absenceGrace: Duration = .seconds(30), maximumFailedRounds: Int = 5,
    retryDelay: Duration = .seconds(5)
  ) {
    self.versionCount = versionCount
    self.cohortSize = cohortSize
    self.overSelection = overSelection
    self.quorum = quorum ?? cohortSize
    self.minimumWorkers = minimumWorkers ?? quorum ?? cohortSize
    self.deadline = deadline
    self.absenceGrace = absenceGrace
    self.maximumFailedRounds = maximumFailedRounds
    self.retryDelay = retryDelay
  }

  /// How many workers a round is assigned to, if so many have joined.
  public var assignmentCount: Int {
    // 10 * 1.1 is a little more than 11 in binary; it must not become 12.
    let wanted = (Double(cohortSize) * overSelection - 1e-9).rounded(.up)
    return max(cohortSize, Int(wanted))
  }

  /// The same rules, if a run can be held by them.
  ///
  /// - Throws: The first rule that is out of its range.
  public func validated() throws(RoundError) -> RoundRules {
    try check("versionCount", versionCount, in: 1...1_000_000_000)
    try check("cohortSize", cohortSize, in: 1...1_000_000)
    try check("overSelection", overSelection, in: 1...100)
    try check("quorum", quorum, in: 1...cohortSize)
    try check("minimumWorkers", minimumWorkers, in: quorum...1_000_000)
    try check("deadline", deadline, in: .milliseconds(1) ... .seconds(366 * 86_400))
    try check("absenceGrace", absenceGrace, in: .zero ... .seconds(366 * 86_400))
    try check("maximumFailedRounds", maximumFailedRounds, in: 1...1_000_000_000)
    try check("retryDelay", retryDelay, in: .zero ... .seconds(366 * 86_400))
    return self
  }

  private func check<Value: Comparable>(
    _ name: String, _ value: Value, in range: ClosedRange<Value>
  ) throws(RoundError) {
    guard range.contains(value) else {
      throw .unusableRule(
        name: name, value: "\(value)",
        expected: "between \(range.lowerBound) and \(range.upperBound)")
    }
  }
}
