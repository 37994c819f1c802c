// SPDX-License-Identifier: Apache-2.0

/// What can be wrong with the rules of a run.
public enum RoundError: Error, Equatable, CustomStringConvertible {
  /// A rule has a value that no round can follow.
  case unusableRule(name: String, value: String, expected: String)

  /// One line that says which rule, what it is and what it may be.
  public var description: String {
    switch self {
    case .unusableRule(let name, let value, let expected):
      "\(name) is \(value); set it to \(expected)"
    }
  }
}
