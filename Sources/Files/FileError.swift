// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// What can go wrong with a file.
public enum FileError: Error, Hashable, Sendable {
  /// The system did not do what it was asked to.
  case failed(verb: String, path: String, reason: String)
  /// The disk, or the room given to its user, is full.
  case full(path: String)
  /// The file is shorter than it was, or not what it was.
  case changed(path: String, reason: String)
  /// More of a payload was said to be here than is.
  case missingPart(path: String, held: Int, expected: Int)
  /// A newer sender of the same name writes this payload now.
  case superseded

  /// What `errno` says about `verb`.
  static func system(_ verb: String, _ path: String) -> FileError {
    switch errno {
    case ENOSPC, EDQUOT, EFBIG: .full(path: path)
    default: .failed(verb: verb, path: path, reason: String(cString: strerror(errno)))
    }
  }
}

extension FileError {
  /// What went wrong, without the path: for errors that name it themselves.
  public var reason: String {
    switch self {
    case .failed(_, _, let reason), .changed(_, let reason): reason
    case .full: "no room left"
    case .missingPart, .superseded: "\(self)"
    }
  }
}

extension FileError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .failed(let verb, let path, let reason): "cannot \(verb) \(path): \(reason)"
    case .full(let path): "no room left to write \(path); make room and start again"
    case .changed(let path, let reason): "\(path) is damaged: \(reason)"
    case .missingPart(let path, let held, let expected):
      "\(path) holds \(held) bytes, \(expected) were said to be here"
    case .superseded: "a newer connection of the same name sends a payload"
    }
  }
}
