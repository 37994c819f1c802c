// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import FoundationEssentials
internal import GRDB
internal import Rounds

extension RunRecord {
  /// The run of the store, if it has one.
  static func fetch(_ database: Database) throws -> RunRecord? {
    guard try database.tableExists("run"),
      let row = try Row.fetchOne(database, sql: "SELECT * FROM run")
    else { return nil }
    let record = RunRecord(
      id: try row.name("id"), created: RunTime(nanoseconds: try row.decode(forColumn: "created")),
      configuration: try row.bytes("configuration"), model: try row.digest("model"),
      layout: try row.bytes("layout"), software: try row.decode(forColumn: "software"))
    guard try record.configurationDigest == row.digest("configurationDigest"),
      try record.layoutDigest == row.digest("layoutDigest")
    else { throw DamagedRow(what: "the run's configuration or layout") }
    return record
  }

  /// Writes the run into an empty store.
  func insert(_ database: Database, versionCount: Int) throws {
    try database.execute(
      sql: """
        INSERT INTO run (one, id, created, configuration, configurationDigest, model, layout,
          layoutDigest, software, versionCount) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        id.rawValue, created.nanoseconds, Data(configuration), configurationDigest.description,
        model.description, Data(layout), layoutDigest.description, software, versionCount,
      ])
  }

  /// Throws if `expected` is another run, with what differs.
  func check(isSameAs expected: RunRecord, path: String) throws(RunError) {
    let differences = [
      ("name", id.rawValue, expected.id.rawValue),
      ("model digest", model.description, expected.model.description),
      ("layout digest", layoutDigest.description, expected.layoutDigest.description),
      (
        "configuration digest", configurationDigest.description,
        expected.configurationDigest.description
      ),
    ]
    for (what, found, wanted) in differences where found != wanted {
      throw .differentRun(path: path, what: what, found: found, expected: wanted)
    }
  }
}

/// A row that holds what was never written there.
struct DamagedRow: Error {
  let what: String
}

extension Row {
  func bytes(_ column: String) throws -> [UInt8] {
    [UInt8](try decode(Data.self, forColumn: column))
  }

  func digest(_ column: String) throws -> Digest {
    let hex = try decode(String.self, forColumn: column)
    guard let digest = Digest(hex: hex) else { throw DamagedRow(what: "the digest in \(column)") }
    return digest
  }

  func name(_ column: String) throws -> RunID {
    let name = try decode(String.self, forColumn: column)
    guard let id = RunID(rawValue: name) else { throw DamagedRow(what: "the run's name") }
    return id
  }

  func json<Value: Decodable>(_ type: Value.Type, _ column: String, of what: String) throws -> Value
  {
    let text = try decode(String.self, forColumn: column)
    do {
      return try JSONDecoder().decode(type, from: Data(text.utf8))
    } catch {
      throw DamagedRow(what: "the \(column) of \(what)")
    }
  }
}

/// The one text of a value: keys are sorted, so that equal values have equal texts.
func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
