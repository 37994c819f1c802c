// SPDX-License-Identifier: Apache-2.0
public import Digests
internal import GRDB

/// What can go wrong with a run's store.
public enum RunError: Error, Equatable, CustomStringConvertible {
  /// There is no run at this path.
  case missing(path: String)
  /// There is a run of another kind already; `what` differs.
  case differentRun(path: String, what: String, found: String, expected: String)
  /// Another coordinator has the run open.
  case inUse(path: String, holder: String)
  /// The store was written by a version of the program with another format.
  case newerFormat(path: String)
  /// The store is not what was written.
  case damaged(path: String, reason: String)
  /// The disk, or the room given to the store, is full.
  case full(path: String)
  /// The store cannot be read or written.
  case inaccessible(path: String, reason: String)
  /// No payload has this digest.
  case missingPayload(Digest)
  /// A payload's digest is not the one its contribution names.
  case differentPayload(named: Digest, actual: Digest)
  /// A commit is not the one after the last.
  case versionOutOfOrder(version: Int, expected: Int)

  /// One line that says what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .missing(let path):
      "there is no run in \(path); check the path, or start the run there first"
    case .differentRun(let path, let what, let found, let expected):
      "\(path) holds another run: its \(what) is \(found), not \(expected);"
        + " choose another run name, or go back to that run's file and model"
    case .inUse(let path, let holder):
      "\(path) is in use by \(holder); stop that coordinator first"
    case .newerFormat(let path):
      "\(path) was written by another version of Tern; use that version"
    case .damaged(let path, let reason):
      "\(path) is damaged: \(reason); restore it from a copy, or start the run anew"
    case .full(let path):
      "no room left to write \(path); make room and start the coordinator again"
    case .inaccessible(let path, let reason):
      "cannot use \(path): \(reason)"
    case .missingPayload(let digest):
      "the run has no payload \(digest)"
    case .differentPayload(let named, let actual):
      "a payload has the digest \(actual), but its contribution names \(named)"
    case .versionOutOfOrder(let version, let expected):
      "version \(version) cannot be committed; the next is \(expected)"
    }
  }
}

extension RunError {
  /// What an error of the database at `path` means.
  init(_ error: any Error, path: String) {
    switch error {
    case let error as RunError: self = error
    case let error as DamagedRow: self = .damaged(path: path, reason: error.what)
    case let error as RowDecodingError: self = .damaged(path: path, reason: "\(error)")
    case let error as DatabaseError:
      let reason = error.message ?? "SQLite error \(error.resultCode.rawValue)"
      switch error.resultCode {
      case .SQLITE_FULL: self = .full(path: path)
      case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(path: path, reason: reason)
      case .SQLITE_BUSY, .SQLITE_LOCKED: self = .inUse(path: path, holder: "another program")
      default: self = .inaccessible(path: path, reason: reason)
      }
    default: self = .inaccessible(path: path, reason: "\(error)")
    }
  }
}
