// SPDX-License-Identifier: Apache-2.0

/// A JSON document as it stands: objects keep their order, and no name occurs twice.
///
/// The standard decoders lose both, and both matter here: the first matching entry of PEFT's
/// `rank_pattern` wins, and a tensor named twice in a safetensors header is an attack.
enum JSONValue: Equatable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  /// One name and its value.
  struct Member: Equatable, Sendable {
    let name: String
    let value: JSONValue
  }

  /// The members of an object; nil for anything else.
  var members: [Member]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The elements of an array; nil for anything else.
  var elements: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The text of a string; nil for anything else.
  var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The value of a whole number; nil for anything else.
  var wholeNumber: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The value of any number; nil for anything else.
  var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The value of a truth value; nil for anything else.
  var truth: Bool? {
    if case .boolean(let value) = self { value } else { nil }
  }

  /// The member called `name`; nil where there is none, or where it is null.
  ///
  /// - Complexity: O(members).
  subscript(name: String) -> JSONValue? {
    guard let value = members?.first(where: { $0.name == name })?.value, value != .null else {
      return nil
    }
    return value
  }
}
