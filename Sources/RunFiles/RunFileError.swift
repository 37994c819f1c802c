// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a run file.
public enum RunFileError: Error, Equatable {
  /// The file cannot be read.
  case unreadable(path: String, reason: String)
  /// It is not YAML.
  case notYAML(path: String, reason: String)
  /// A key that means nothing here; `nearest` is what was probably meant.
  case unknownKey(String, nearest: String?, known: [String])
  /// A key that must be there is not.
  case missingKey(String, meaning: String)
  /// A value of the wrong kind or out of range.
  case badValue(key: String, value: String, expected: String)
  /// A `--set` that is not `key=value`.
  case badOverride(String)
}

extension RunFileError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "cannot read the run file \(path): \(reason)"
    case .notYAML(let path, let reason): "the run file \(path) is not YAML: \(reason)"
    case .unknownKey(let key, let nearest?, _):
      "unknown key '\(key)' in the run file; did you mean '\(nearest)'?"
    case .unknownKey(let key, nil, let known):
      "unknown key '\(key)' in the run file; known there: \(known.joined(separator: ", "))"
    case .missingKey(let key, let meaning): "the run file lacks '\(key)': \(meaning)"
    case .badValue(let key, let value, let expected):
      "'\(key)' is '\(value)' in the run file; expected \(expected)"
    case .badOverride(let text): "'--set \(text)' is not of the form key.key=value"
    }
  }
}
