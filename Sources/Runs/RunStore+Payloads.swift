// SPDX-License-Identifier: Apache-2.0
public import Digests
internal import FoundationEssentials
internal import GRDB

extension RunStore {
  /// Stores a payload under its digest; again is the same as once.
  ///
  /// - Returns: The digest.
  @discardableResult
  public func put(_ payload: [UInt8]) throws(RunError) -> Digest {
    let digest = Digest(of: payload)
    try write { try Self.insertPayload($0, digest, payload, baseVersion: nil) }
    return digest
  }

  /// The payload of a digest, read and verified.
  ///
  /// - Throws: `missingPayload` if there is none, `damaged` if it is not what was stored.
  public func payload(of digest: Digest) throws(RunError) -> [UInt8] {
    let stored = try read { connection in
      try Data.fetchOne(
        connection, sql: "SELECT bytes FROM payload WHERE digest = ?",
        arguments: [digest.description])
    }
    guard let stored else { throw .missingPayload(digest) }
    let payload = [UInt8](stored)
    guard Digest(of: payload) == digest else {
      throw .damaged(path: path, reason: "the payload \(digest) has changed")
    }
    return payload
  }

  /// Whether there is a payload of this digest.
  public func hasPayload(_ digest: Digest) throws(RunError) -> Bool {
    try read { try Self.hasPayload($0, digest) }
  }

  /// Deletes what workers contributed to versions up to `version`, committed or not.
  ///
  /// Broadcast payloads and those stored by `put` stay. The room is used again for later payloads.
  /// - Returns: How many payloads were deleted.
  @discardableResult
  public func deleteContributedPayloads(upToVersion version: Int) throws(RunError) -> Int {
    try write { connection in
      try connection.execute(
        sql: """
          DELETE FROM payload WHERE baseVersion < ?
            AND digest NOT IN (SELECT broadcast FROM "commit" WHERE broadcast IS NOT NULL)
          """, arguments: [version])
      return connection.changesCount
    }
  }

  /// `baseVersion` says how long a contributed payload is of use; nil keeps it for good.
  static func insertPayload(
    _ connection: Database, _ digest: Digest, _ payload: [UInt8], baseVersion: Int?
  ) throws {
    if try hasPayload(connection, digest) {
      // max() of anything and NULL is NULL: what is kept for good stays so.
      try connection.execute(
        sql: "UPDATE payload SET baseVersion = max(baseVersion, ?) WHERE digest = ?",
        arguments: [baseVersion, digest.description])
    } else {
      try connection.execute(
        sql: "INSERT INTO payload (digest, baseVersion, bytes) VALUES (?, ?, ?)",
        arguments: [digest.description, baseVersion, Data(payload)])
    }
  }

  private static func hasPayload(_ connection: Database, _ digest: Digest) throws -> Bool {
    try Bool.fetchOne(
      connection, sql: "SELECT EXISTS (SELECT 1 FROM payload WHERE digest = ?)",
      arguments: [digest.description]) ?? false
  }
}
