// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Foundation
import GRDB
import Rounds
import Testing

@testable import Runs

/// Stores that are not what was written: each is refused with one line.
@Suite struct RunStoreDamageTests {
  /// Makes a run in `folder`, closes it, and changes it by `sql`.
  private func spoiled(_ folder: TemporaryFolder, by sql: String) throws -> String {
    let path = folder("run-1")
    do {
      var run = try ScriptedRun(at: .folder(path))
      for step in ScriptedRun.script.prefix(17) { try step(&run) }
    }
    try DatabaseQueue(path: path + "/run.sqlite").writeWithoutTransaction {
      try $0.execute(sql: sql)
    }
    return path
  }

  @Test func aNewerFormatIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = try spoiled(folder, by: "INSERT INTO grdb_migrations VALUES ('9: next year')")
    let newer = RunError.newerFormat(path: path)
    #expect(throws: newer) { try RunStore.open(folder: path) }
    #expect(throws: newer) { try RunStore.openReadOnly(folder: path) }
    #expect(throws: newer) { try ScriptedRun(at: .folder(path)) }
    #expect(newer.description == "\(path) was written by another version of Tern; use that version")
  }

  @Test func whatIsMissingIsSaidToBeMissing() throws {
    let folder = try TemporaryFolder()
    #expect(throws: RunError.missing(path: folder("a"))) { try RunStore.open(folder: folder("a")) }
    #expect(!FileManager.default.fileExists(atPath: folder("a")))
    // Killed while it was created: nothing is there yet, and it can be created again.
    try FileManager.default.createDirectory(
      atPath: folder("b"), withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: folder("b/run.sqlite")))
    #expect(throws: RunError.missing(path: folder("b"))) { try RunStore.open(folder: folder("b")) }
    #expect(throws: RunError.missing(path: folder("b"))) {
      try RunStore.openReadOnly(folder: folder("b"))
    }
    #expect(try ScriptedRun(at: .folder(folder("b"))).store.latestSnapshot().version == 0)
  }

  @Test func aFolderThatCannotBeMadeIsAnError() throws {
    let folder = try TemporaryFolder()
    try Data().write(to: URL(fileURLWithPath: folder("file")))
    let error = #expect(throws: RunError.self) {
      try ScriptedRun(at: .folder(folder("file/run-1")))
    }
    guard case .inaccessible = error else {
      Issue.record("not the expected error: \(String(describing: error))")
      return
    }
  }

  @Test func anotherProgramsDatabaseIsLeftAlone() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder("a"), withIntermediateDirectories: true)
    try DatabaseQueue(path: folder("a/run.sqlite")).write {
      try $0.execute(sql: "CREATE TABLE song (name TEXT)")
    }
    let reason = RunError.damaged(path: folder("a"), reason: "run.sqlite is not a run's store")
    #expect(throws: reason) { try RunStore.open(folder: folder("a")) }
    #expect(throws: reason) { try ScriptedRun(at: .folder(folder("a"))) }
    let tables = try DatabaseQueue(path: folder("a/run.sqlite")).read {
      try String.fetchAll($0, sql: "SELECT name FROM sqlite_master")
    }
    #expect(tables == ["song"])
  }

  @Test(arguments: [
    ("DELETE FROM event WHERE sequence = 15", "event 15 is missing"),
    ("UPDATE event SET event = '{}' WHERE sequence = 15", "the event of journal entry 15"),
    ("UPDATE snapshot SET state = x'00'", "the state of version 1 has changed"),
    ("UPDATE snapshot SET engine = 'x'", "the engine of version 1"),
    ("UPDATE snapshot SET stateDigest = 'x'", "the digest in stateDigest"),
    ("DELETE FROM snapshot", "there is no snapshot"),
    (
      #"INSERT INTO event (time, event) VALUES (9, '{"aggregated":{"round":3,"version":2}}')"#,
      "version 2 is journalled, but has no state"
    ),
  ])
  func aDamagedJournalOrSnapshotIsRefused(sql: String, reason: String) throws {
    let folder = try TemporaryFolder()
    let store = try RunStore.open(folder: spoiled(folder, by: sql))
    let error = #expect(throws: RunError.self) { try store.recoveredEngine() }
    guard case .damaged(_, let found) = error else {
      Issue.record("not the expected error: \(String(describing: error))")
      return
    }
    #expect(found.contains(reason))
    #expect(!"\(RunError.damaged(path: "a", reason: found))".contains("\n"))
  }

  @Test(arguments: [
    "UPDATE run SET configuration = x'00'", "UPDATE run SET layout = x'00'",
    "UPDATE run SET id = '../x'", "UPDATE run SET model = 'y'",
  ])
  func aDamagedRecordIsRefused(sql: String) throws {
    let folder = try TemporaryFolder()
    let path = try spoiled(folder, by: sql)
    let error = #expect(throws: RunError.self) { try RunStore.open(folder: path) }
    guard case .damaged(path, _) = error else {
      Issue.record("not the expected error: \(String(describing: error))")
      return
    }
  }

  @Test func aPayloadThatHasChangedIsNotHandedOut() throws {
    let folder = try TemporaryFolder()
    let path = try spoiled(folder, by: "UPDATE payload SET bytes = x'00' WHERE bytes NOT NULL")
    let store = try RunStore.open(folder: path)
    let digest = Digest(of: ScriptedRun.payload("b", from: 1))
    #expect(
      throws: RunError.damaged(path: path, reason: "the payload \(digest) has changed")
    ) { try store.payload(of: digest) }
    try store.put(Payload(ScriptedRun.payload("b", from: 1)))
    #expect(try store.payload(of: digest).bytes() == ScriptedRun.payload("b", from: 1))
  }

  @Test func brokenPagesAreAnErrorOfOneLine() throws {
    let folder = try TemporaryFolder()
    let path = try spoiled(folder, by: "PRAGMA wal_checkpoint(TRUNCATE)")
    let file = URL(fileURLWithPath: path + "/run.sqlite")
    var bytes = try Data(contentsOf: file)
    for place in 4096..<bytes.count { bytes[place] ^= 0x5A }
    try bytes.write(to: file)
    let error = #expect(throws: RunError.self) {
      try RunStore.open(folder: path).recoveredEngine()
    }
    guard case .damaged = error else {
      Issue.record("not the expected error: \(String(describing: error))")
      return
    }
    #expect(!"\(error, default: "")".contains("\n"))
  }

  @Test func everyErrorIsOneLineThatNamesItsPlace() {
    let digest = Digest(of: [])
    let table: [(RunError, String)] = [
      (.missing(path: "/p"), "/p"), (.inUse(path: "/p", holder: "process 7"), "process 7"),
      (.differentRun(path: "/p", what: "model", found: "x", expected: "y"), "its model is x"),
      (.newerFormat(path: "/p"), "/p"), (.damaged(path: "/p", reason: "why"), "/p is damaged: why"),
      (.full(path: "/p"), "/p"), (.inaccessible(path: "/p", reason: "why"), "/p: why"),
      (.missingPayload(digest), "\(digest)"),
      (.differentPayload(named: digest, actual: digest), "\(digest)"),
      (.versionOutOfOrder(version: 4, expected: 3), "version 4"),
    ]
    for (error, part) in table {
      #expect("\(error)".contains(part))
      #expect(!"\(error)".contains("\n"))
    }
  }
}
