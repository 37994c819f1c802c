// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files
internal import FoundationEssentials
internal import GRDB
public import Rounds

extension RunStore {
  /// Writes a new version: its event, the state to go on from, and the commit; all or nothing.
  ///
  /// The states of the last two versions are kept, the commits forever; what workers contributed to
  /// this version and those before is of no use any more, and deleted.
  /// - Parameters:
  ///   - version: The version after the last one.
  ///   - adapter: The digest of the adapter's values.
  ///   - broadcast: The payload by which the workers follow, if they are to.
  ///   - vectors: The payloads that `state` names; they stay as long as it does.
  ///   - engine: The engine as `event` left it.
  ///   - event: `aggregated`, as the engine took it at `time`.
  /// - Returns: The event's place in the journal.
  /// - Throws: `versionOutOfOrder` if the version was committed before, or others were not.
  @discardableResult
  public func commit(
    version: Int, round: Int, adapter: Digest, contributions: [Contribution],
    broadcast: Payload?, state: [UInt8], vectors: [Payload] = [], engine: RoundEngine,
    event: RoundEngine.Event,
    at time: RunTime, metrics: [String] = []
  ) throws(RunError) -> Int {
    let commit = Commit(
      version: version, round: round, time: time, contributions: contributions, adapter: adapter,
      broadcast: broadcast?.digest)
    try keep((broadcast.map { [$0] } ?? []) + vectors, durably: true)
    let (sequence, unneeded) = try write { connection in
      let last = try Int.fetchOne(connection, sql: "SELECT max(version) FROM snapshot") ?? 0
      guard version == last + 1 else {
        throw RunError.versionOutOfOrder(version: version, expected: last + 1)
      }
      if let broadcast {
        try insertPayload(connection, broadcast, for: .broadcast(version: version))
      }
      for vector in vectors {
        try insertPayload(connection, vector, for: .state(version: version))
      }
      let sequence = try Self.insertEvent(connection, event, at: time)
      try commit.insert(connection)
      try Self.insertSnapshot(
        connection, version: version, sequence: sequence, engine: engine, state: state)
      try connection.execute(
        sql: "DELETE FROM snapshot WHERE version < ?", arguments: [version - 1])
      try Self.insertMetrics(connection, metrics, at: time)
      let contributions = try Self.dropClaims(connection, "contribution", before: version)
      return (
        sequence, contributions + (try Self.dropClaims(connection, "state", before: version - 1))
      )
    }
    try removeFiles(of: unneeded)
    return sequence
  }

  /// The newest version with all that is needed to go on from it.
  public func latestSnapshot() throws(RunError) -> Snapshot {
    try read(Self.fetchLatestSnapshot)
  }

  /// The engine as it was when the last event was journalled.
  ///
  /// That is the latest snapshot's engine, and the fold of what came after. To go on, journal
  /// `restarted` and let the engine handle it.
  public func recoveredEngine() throws(RunError) -> (
    engine: RoundEngine, snapshot: Snapshot, replayedCount: Int
  ) {
    try read { connection in
      let snapshot = try Self.fetchLatestSnapshot(connection)
      var engine = snapshot.engine
      var replayedCount = 0
      try Self.walkJournal(connection, after: snapshot.sequence) { entry in
        _ = engine.handle(entry.event, at: entry.time)
        replayedCount += 1
      }
      guard engine.version == snapshot.version else {
        throw DamagedRow(what: "version \(engine.version) is journalled, but has no state")
      }
      if let violation = engine.invariants.first { throw DamagedRow(what: violation) }
      return (engine, snapshot, replayedCount)
    }
  }

  /// The commits after `version`, in order; all of them after 0.
  public func commits(after version: Int = 0) throws(RunError) -> [Commit] {
    try read { connection in
      try Row.fetchAll(
        connection, sql: #"SELECT * FROM "commit" WHERE version > ? ORDER BY version"#,
        arguments: [version]
      ).map(Commit.init(row:))
    }
  }

  static func insertSnapshot(
    _ connection: Database, version: Int, sequence: Int, engine: RoundEngine, state: [UInt8]
  ) throws {
    try connection.execute(
      sql: """
        INSERT INTO snapshot (version, sequence, engine, stateDigest, state)
          VALUES (?, ?, ?, ?, ?)
        """,
      arguments: [
        version, sequence, try jsonText(engine), Digest(of: state).description, Data(state),
      ])
  }

  private static func fetchLatestSnapshot(_ connection: Database) throws -> Snapshot {
    guard
      let row = try Row.fetchOne(
        connection, sql: "SELECT * FROM snapshot ORDER BY version DESC LIMIT 1")
    else { throw DamagedRow(what: "there is no snapshot") }
    let version: Int = try row.decode(forColumn: "version")
    let state = try row.bytes("state")
    guard try Digest(of: state) == row.digest("stateDigest") else {
      throw DamagedRow(what: "the state of version \(version) has changed")
    }
    return Snapshot(
      version: version, state: state,
      engine: try row.json(RoundEngine.self, "engine", of: "version \(version)"),
      sequence: try row.decode(forColumn: "sequence"))
  }
}

extension Commit {
  fileprivate init(row: Row) throws {
    let version: Int = try row.decode(forColumn: "version")
    self.init(
      version: version, round: try row.decode(forColumn: "round"),
      time: RunTime(nanoseconds: try row.decode(forColumn: "time")),
      contributions: try row.json(
        [Contribution].self, "contributions", of: "commit \(version)"),
      adapter: try row.digest("adapter"),
      broadcast: try row.decode(String?.self, forColumn: "broadcast").map { _ in
        try row.digest("broadcast")
      })
  }

  fileprivate func insert(_ connection: Database) throws {
    try connection.execute(
      sql: """
        INSERT INTO "commit" (version, round, time, contributions, adapter, broadcast)
          VALUES (?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        version, round, time.nanoseconds, try jsonText(contributions), adapter.description,
        broadcast?.description,
      ])
  }
}
