// SPDX-License-Identifier: Apache-2.0
internal import Digests
public import Files
internal import FoundationEssentials
internal import GRDB
public import Rounds

extension RunStore {
  /// Writes an event at the journal's end.
  ///
  /// An `aggregated` event goes through `commit`.
  /// - Returns: Its place in the journal.
  @discardableResult
  public func append(
    _ event: RoundEngine.Event, at time: RunTime, metrics: [String] = []
  ) throws(RunError) -> Int {
    try write { connection in
      let sequence = try Self.insertEvent(connection, event, at: time)
      try Self.insertMetrics(connection, metrics, at: time)
      return sequence
    }
  }

  /// Writes a contribution: its payload and its event, both or neither.
  ///
  /// - Returns: The event's place in the journal.
  /// - Throws: `differentPayload` unless the payload has the digest that the contribution names.
  @discardableResult
  public func record(
    _ contribution: Contribution, payload: Payload, event: RoundEngine.Event, at time: RunTime,
    metrics: [String] = []
  ) throws(RunError) -> Int {
    guard payload.digest == contribution.payload else {
      throw .differentPayload(named: contribution.payload, actual: payload.digest)
    }
    // A contribution that the power takes away is asked for again: no round waits for a disk to
    // take what the next commit makes superfluous.
    try keep([payload], durably: false)
    return try write { connection in
      try insertPayload(
        connection, payload, for: .contribution(baseVersion: contribution.baseVersion))
      let sequence = try Self.insertEvent(connection, event, at: time)
      try Self.insertMetrics(connection, metrics, at: time)
      return sequence
    }
  }

  /// The events after the one at `sequence`, in order; all of them after 0.
  public func events(after sequence: Int = 0) throws(RunError) -> [JournalEntry] {
    try read { connection in
      var entries: [JournalEntry] = []
      try Self.walkJournal(connection, after: sequence) { entries.append($0) }
      return entries
    }
  }

  static func insertEvent(
    _ connection: Database, _ event: RoundEngine.Event, at time: RunTime
  ) throws -> Int {
    try connection.execute(
      sql: "INSERT INTO event (time, event) VALUES (?, ?)",
      arguments: [time.nanoseconds, try jsonText(event)])
    return Int(connection.lastInsertedRowID)
  }

  /// Hands the events after `sequence` to `body` one by one, and sees that none is missing.
  static func walkJournal(
    _ connection: Database, after sequence: Int, _ body: (JournalEntry) throws -> Void
  ) throws {
    let rows = try Row.fetchCursor(
      connection, sql: "SELECT * FROM event WHERE sequence > ? ORDER BY sequence",
      arguments: [sequence])
    var expected = sequence + 1
    while let row = try rows.next() {
      let place: Int = try row.decode(forColumn: "sequence")
      guard place == expected else { throw DamagedRow(what: "event \(expected) is missing") }
      try body(
        JournalEntry(
          sequence: place, time: RunTime(nanoseconds: try row.decode(forColumn: "time")),
          event: try row.json(RoundEngine.Event.self, "event", of: "journal entry \(place)")))
      expected += 1
    }
  }
}
