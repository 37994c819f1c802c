// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
internal import GRDB
public import Rounds

extension RunStore {
  /// Notes a line of metrics: a JSON object.
  public func addMetric(_ json: String, at time: RunTime) throws(RunError) {
    try write { try Self.insertMetrics($0, [json], at: time) }
  }

  /// All metrics, in the order in which they were noted.
  public func metrics() throws(RunError) -> [Metric] {
    try read { connection in
      try Row.fetchAll(connection, sql: "SELECT time, json FROM metric ORDER BY place").map {
        Metric(
          time: RunTime(nanoseconds: try $0.decode(forColumn: "time")),
          json: try $0.decode(forColumn: "json"))
      }
    }
  }

  /// Notes how the run ended; again is the same as once.
  public func finish(_ outcome: RoundEngine.Outcome) throws(RunError) {
    try write { connection in
      try connection.execute(sql: "UPDATE run SET outcome = ?", arguments: [jsonText(outcome)])
    }
  }

  /// How the run ended; nil while it goes on.
  public func outcome() throws(RunError) -> RoundEngine.Outcome? {
    try read(Self.fetchOutcome)
  }

  /// The runs whose folders are in `folder`, by name; takes no locks and changes nothing.
  ///
  /// A run that cannot be read is listed with the reason.
  public static func list(in folder: String) throws(RunError) -> [RunSummary] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      throw .missing(path: folder)
    }
    return names.sorted().map { folder + "/" + $0 }
      .filter { FileManager.default.fileExists(atPath: $0 + "/run.sqlite") }
      .map { path in
        RunSummary(
          folder: path,
          contents: Result { () throws(RunError) in try openReadOnly(folder: path).summary() })
      }
  }

  /// The run as a list shows it.
  public func summary() throws(RunError) -> RunSummary.Contents {
    try read { connection in
      RunSummary.Contents(
        id: record.id, created: record.created, software: record.software,
        version: try Int.fetchOne(
          connection,
          sql: """
            SELECT max(version) FROM
              (SELECT version FROM snapshot UNION ALL SELECT max(version) FROM step)
            """) ?? 0,
        versionCount: try Int.fetchOne(connection, sql: "SELECT versionCount FROM run") ?? 0,
        lastEvent: RunTime(
          nanoseconds: try Int64.fetchOne(
            connection,
            sql: """
              SELECT max(time) FROM (
                SELECT max(time) AS time FROM event
                UNION ALL SELECT time FROM step WHERE version = (SELECT max(version) FROM step))
              """) ?? record.created.nanoseconds),
        outcome: try Self.fetchOutcome(connection))
    }
  }

  static func insertMetrics(_ connection: Database, _ lines: [String], at time: RunTime) throws {
    for line in lines {
      try connection.execute(
        sql: "INSERT INTO metric (time, json) VALUES (?, ?)",
        arguments: [time.nanoseconds, line])
    }
  }

  private static func fetchOutcome(_ connection: Database) throws -> RoundEngine.Outcome? {
    guard
      let row = try Row.fetchOne(
        connection, sql: "SELECT outcome FROM run WHERE outcome IS NOT NULL")
    else { return nil }
    return try row.json(RoundEngine.Outcome.self, "outcome", of: "the run")
  }
}
