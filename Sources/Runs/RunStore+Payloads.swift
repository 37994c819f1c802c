// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files
internal import FoundationEssentials
internal import GRDB

/// What a payload is needed for: it is there as long as anything needs it.
enum PayloadClaim {
  /// A worker contributed it to the version after this one.
  case contribution(baseVersion: Int)
  /// Workers follow to this version by it.
  case broadcast(version: Int)
  /// A part of the state of this version.
  case state(version: Int)
  /// It was stored for good.
  case kept

  var kind: String {
    switch self {
    case .contribution: "contribution"
    case .broadcast: "broadcast"
    case .state: "state"
    case .kept: "kept"
    }
  }

  var version: Int {
    switch self {
    case .contribution(let version), .broadcast(let version), .state(let version): version
    case .kept: 0
    }
  }
}

extension RunStore {
  /// Where the payloads of `sender` arrive, to be recorded from there.
  ///
  /// - Parameter sender: letters, digits, `-`, `_` and `.`.
  public func inbox(of sender: String) -> PayloadInbox {
    guard let files else { return PayloadInbox() }
    return PayloadInbox(folder: files.incoming, sender: sender) { digest in
      // What cannot be read has to come again.
      (try? self.hasPayload(digest)) == true ? try? self.payload(of: digest) : nil
    }
  }

  /// A draft of something to be stored.
  public func draft() -> PayloadDraft { files?.draft() ?? PayloadDraft() }

  /// Stores a payload for good; again is the same as once.
  public func put(_ payload: Payload) throws(RunError) {
    try keep([payload], durably: true)
    try write { try insertPayload($0, payload, for: .kept) }
  }

  /// The payload of a digest, verified.
  ///
  /// - Throws: `missingPayload` if there is none, `damaged` if it is not what was stored.
  public func payload(of digest: Digest) throws(RunError) -> Payload {
    let row = try read { connection in
      try Row.fetchOne(
        connection, sql: "SELECT byteCount, bytes FROM payload WHERE digest = ?",
        arguments: [digest.description])
    }
    guard let row else { throw .missingPayload(digest) }
    let bytes: Data?
    let byteCount: Int
    do {
      bytes = try row.decode(Data?.self, forColumn: "bytes")
      byteCount = try row.decode(forColumn: "byteCount")
    } catch {
      throw RunError(error, path: path)
    }
    let payload: Payload?
    if let bytes {
      let whole = Payload([UInt8](bytes))
      payload = whole.digest == digest ? whole : nil
    } else {
      payload = try storing { () throws(FileError) in
        try files?.payload(of: digest, byteCount: byteCount)
      }
    }
    guard let payload else {
      throw .damaged(path: path, reason: "the payload \(digest) has changed")
    }
    return payload
  }

  /// Whether there is a payload of this digest.
  public func hasPayload(_ digest: Digest) throws(RunError) -> Bool {
    try read { try Self.hasPayload($0, digest) }
  }
}

// MARK: - Within transactions

extension RunStore {
  /// Puts the files of large payloads where they stay, before a transaction speaks of them.
  func keep(_ payloads: [Payload], durably isDurable: Bool) throws(RunError) {
    guard let files else { return }
    for payload in payloads where payload.byteCount > PayloadFolder.inlineByteCount {
      // What is there is left alone, unless the disk has damaged it.
      if try hasPayload(payload.digest), (try? self.payload(of: payload.digest)) != nil { continue }
      try timingWrites { () throws(RunError) in
        try storing { () throws(FileError) in try files.keep(payload, durably: isDurable) }
      }
    }
  }

  /// Notes a payload and what it is needed for.
  func insertPayload(
    _ connection: Database, _ payload: Payload, for claim: PayloadClaim
  ) throws {
    let isInline = files == nil || payload.byteCount <= PayloadFolder.inlineByteCount
    // The bytes of a digest are the same, unless the disk has damaged them.
    try connection.execute(
      sql: """
        INSERT INTO payload (digest, byteCount, bytes) VALUES (?, ?, ?)
          ON CONFLICT (digest) DO UPDATE SET byteCount = excluded.byteCount, bytes = excluded.bytes
        """,
      arguments: [
        payload.digest.description, payload.byteCount,
        isInline ? Data(try payload.bytes()) : nil,
      ])
    try connection.execute(
      sql: "INSERT OR IGNORE INTO claim (kind, version, digest) VALUES (?, ?, ?)",
      arguments: [claim.kind, claim.version, payload.digest.description])
  }

  /// Drops what is needed for versions before `version`; gives the payloads that nobody needs.
  static func dropClaims(
    _ connection: Database, _ kind: String, before version: Int
  ) throws -> [Digest] {
    let dropped = try String.fetchSet(
      connection, sql: "DELETE FROM claim WHERE kind = ? AND version < ? RETURNING digest",
      arguments: [kind, version])
    return try dropped.sorted().compactMap { digest in
      try connection.execute(
        sql: """
          DELETE FROM payload WHERE digest = ?1
            AND NOT EXISTS (SELECT 1 FROM claim WHERE digest = ?1)
          """, arguments: [digest])
      return connection.changesCount > 0 ? Digest(hex: digest) : nil
    }
  }

  /// Removes the files of payloads that the database has forgotten, after this has returned.
  func removeFiles(of digests: [Digest]) throws(RunError) {
    guard let files, !digests.isEmpty else { return }
    try storing { () throws(FileError) in try files.remove(digests) }
  }

  /// Removes the files of payloads that the database does not know.
  func removeUnknownFiles() throws(RunError) {
    guard let files else { return }
    let known = try read { connection in
      try String.fetchSet(connection, sql: "SELECT digest FROM payload WHERE bytes IS NULL")
    }
    try storing { () throws(FileError) in
      try files.removeAll(except: Set(known.compactMap { Digest(hex: $0) }))
    }
  }

  private static func hasPayload(_ connection: Database, _ digest: Digest) throws -> Bool {
    try Bool.fetchOne(
      connection, sql: "SELECT EXISTS (SELECT 1 FROM payload WHERE digest = ?)",
      arguments: [digest.description]) ?? false
  }
}

/// Lets `body` use files; what goes wrong there is an error of the store.
func storing<Result>(_ body: () throws(FileError) -> Result) throws(RunError) -> Result {
  do throws(FileError) {
    return try body()
  } catch {
    switch error {
    case .full(let path): throw .full(path: path)
    case .failed(_, let path, let reason): throw .inaccessible(path: path, reason: reason)
    case .changed(let path, let reason): throw .damaged(path: path, reason: reason)
    case .missingPart, .superseded: throw .inaccessible(path: "incoming", reason: "\(error)")
    }
  }
}
