// SPDX-License-Identifier: Apache-2.0
internal import GRDB

/// The tables of a run, and how older ones become today's.
enum RunSchema {
  /// "Tern": what tells a run's store from any other SQLite file.
  static let applicationID = 0x5465_726E

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("2: journal, payloads and who needs them, snapshots") { database in
      try database.execute(sql: tables)
      try database.execute(sql: "PRAGMA application_id = \(applicationID)")
    }
    migrator.registerMigration("3: steps along directions") { database in
      try database.execute(sql: stepTables)
    }
    return migrator
  }

  private static let tables = """
    CREATE TABLE run (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      id TEXT NOT NULL,
      created INTEGER NOT NULL,
      configuration BLOB NOT NULL,
      configurationDigest TEXT NOT NULL,
      model TEXT NOT NULL,
      layout BLOB NOT NULL,
      layoutDigest TEXT NOT NULL,
      software TEXT NOT NULL,
      versionCount INTEGER NOT NULL,
      outcome TEXT
    ) STRICT;
    CREATE TABLE event (
      sequence INTEGER PRIMARY KEY,
      time INTEGER NOT NULL,
      event TEXT NOT NULL
    ) STRICT;
    CREATE TABLE payload (
      digest TEXT PRIMARY KEY,
      byteCount INTEGER NOT NULL,
      bytes BLOB
    ) STRICT;
    CREATE TABLE claim (
      kind TEXT NOT NULL,
      version INTEGER NOT NULL,
      digest TEXT NOT NULL REFERENCES payload,
      PRIMARY KEY (kind, version, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX claimOfPayload ON claim (digest);
    CREATE TABLE snapshot (
      version INTEGER PRIMARY KEY,
      sequence INTEGER NOT NULL,
      engine TEXT NOT NULL,
      stateDigest TEXT NOT NULL,
      state BLOB NOT NULL
    ) STRICT;
    CREATE TABLE "commit" (
      version INTEGER PRIMARY KEY,
      round INTEGER NOT NULL UNIQUE,
      time INTEGER NOT NULL,
      contributions TEXT NOT NULL,
      adapter TEXT NOT NULL,
      broadcast TEXT
    ) STRICT;
    CREATE TABLE metric (
      place INTEGER PRIMARY KEY,
      time INTEGER NOT NULL,
      json TEXT NOT NULL
    ) STRICT;
    """

  private static let stepTables = """
    CREATE TABLE step (
      version INTEGER PRIMARY KEY,
      time INTEGER NOT NULL,
      record BLOB NOT NULL
    ) STRICT;
    CREATE TABLE stepSnapshot (
      version INTEGER PRIMARY KEY,
      digest TEXT NOT NULL,
      state BLOB NOT NULL
    ) STRICT;
    """
}
