// SPDX-License-Identifier: Apache-2.0

/// A JSON document as it was written: objects keep the order of their members.
///
/// The standard decoders lose the order, and see neither that a name is there twice nor that two names
/// differ that Unicode takes for equivalent. All of that matters here: the first matching entry of PEFT's
/// `rank_pattern` wins, a tensor named twice in a safetensors header is an attack, and two spellings of
/// a letter are two tokens of a vocabulary.
public enum JSONValue: Equatable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  /// One name and its value.
  public struct Member: Equatable, Sendable {
    /// The name.
    public let name: String
    /// The value.
    public let value: JSONValue

    /// A member of its parts.
    public init(name: String, value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  /// The members of an object; nil for anything else.
  public var members: [Member]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The elements of an array; nil for anything else.
  public var elements: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The text of a string; nil for anything else.
  public var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The value of a whole number; nil for anything else.
  public var wholeNumber: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The value of any number; nil for anything else.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The value of a truth value; nil for anything else.
  public var truth: Bool? {
    if case .boolean(let value) = self { value } else { nil }
  }

  /// The member called `name`; nil where there is none, or where it is null.
  ///
  /// - Complexity: O(members).
  public subscript(name: String) -> JSONValue? {
    guard let value = members?.first(where: { $0.name == name })?.value, value != .null else {
      return nil
    }
    return value
  }
}
