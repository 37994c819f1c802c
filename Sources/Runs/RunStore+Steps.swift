// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import FoundationEssentials
internal import GRDB
public import Rounds

// A run by steps has no events: its commits are all that it must not forget, and each says by itself
// what it does to the adapter. Snapshots only shorten the way to the last version.

extension RunStore {
  /// Creates a run by steps, or opens the same run.
  ///
  /// - Parameter snapshot: What version 0 is, where that is not known from the plan alone.
  /// - Throws: `differentRun` if another run is there, `inUse` if another coordinator has it open.
  public static func createSteps(
    _ record: RunRecord, versionCount: Int, snapshot: [UInt8]?, at location: Location
  ) throws -> RunStore {
    try create(record, at: location) { store in
      try store.write { connection in
        try record.insert(connection, versionCount: versionCount)
        if let snapshot {
          try Self.insertStepSnapshot(connection, version: 0, snapshot)
        }
      }
    }
  }

  /// Writes a commit, and what its version is if that is to be gone on from; both or neither.
  ///
  /// Records are kept for ever, and two snapshots: the first and the last.
  /// - Throws: `versionOutOfOrder` if the version was committed before, or others were not.
  public func commitStep(
    version: Int, record: [UInt8], snapshot: [UInt8]?, at time: RunTime
  ) throws(RunError) {
    try write { connection in
      let last = try Int.fetchOne(connection, sql: "SELECT max(version) FROM step") ?? 0
      guard version == last + 1 else {
        throw RunError.versionOutOfOrder(version: version, expected: last + 1)
      }
      try connection.execute(
        sql: "INSERT INTO step (version, time, record) VALUES (?, ?, ?)",
        arguments: [version, time.nanoseconds, Data(record)])
      guard let snapshot else { return }
      try connection.execute(sql: "DELETE FROM stepSnapshot WHERE version > 0")
      try Self.insertStepSnapshot(connection, version: version, snapshot)
    }
  }

  /// The records after `version`, in order; all of them after 0.
  public func stepRecords(after version: Int) throws(RunError) -> [[UInt8]] {
    try read { connection in
      let rows = try Row.fetchCursor(
        connection, sql: "SELECT version, record FROM step WHERE version > ? ORDER BY version",
        arguments: [version])
      var records: [[UInt8]] = []
      while let row = try rows.next() {
        let place: Int = try row.decode(forColumn: "version")
        guard place == version + records.count + 1 else {
          throw DamagedRow(what: "the commit of version \(version + records.count + 1) is missing")
        }
        records.append(try row.bytes("record"))
      }
      return records
    }
  }

  /// Version 0; nil where the run began with what its plan says.
  public func firstStepSnapshot() throws(RunError) -> (version: Int, state: [UInt8])? {
    try stepSnapshot("WHERE version = 0")
  }

  /// The last snapshot with its version; nil where there is none yet.
  public func lastStepSnapshot() throws(RunError) -> (version: Int, state: [UInt8])? {
    try stepSnapshot("ORDER BY version DESC LIMIT 1")
  }

  private func stepSnapshot(
    _ which: String
  ) throws(RunError) -> (version: Int, state: [UInt8])? {
    try read { connection in
      guard let row = try Row.fetchOne(connection, sql: "SELECT * FROM stepSnapshot \(which)")
      else { return nil }
      let version: Int = try row.decode(forColumn: "version")
      let state = try row.bytes("state")
      guard try Digest(of: state) == row.digest("digest") else {
        throw DamagedRow(what: "the snapshot of version \(version) has changed")
      }
      return (version, state)
    }
  }

  private static func insertStepSnapshot(
    _ connection: Database, version: Int, _ state: [UInt8]
  ) throws {
    try connection.execute(
      sql: "INSERT INTO stepSnapshot (version, digest, state) VALUES (?, ?, ?)",
      arguments: [version, Digest(of: state).description, Data(state)])
  }
}
