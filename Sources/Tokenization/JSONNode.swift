// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// A value and where it stands, so that every complaint about it can say so.
struct JSONNode {
  let value: JSONValue
  let path: String

  /// The document in `bytes`; of a name that is there twice, the last counts.
  static func parse(_ bytes: [UInt8]) throws(TokenizationError) -> JSONNode {
    do throws(JSONError) {
      return JSONNode(value: try JSONValue(parsing: bytes, allowsRepeatedNames: true), path: "")
    } catch {
      throw .malformedJSON(offset: error.offset, problem: error.problem)
    }
  }

  /// The member called `key`; nil when it is absent or null.
  func optional(_ key: String) throws(TokenizationError) -> JSONNode? {
    guard case .object(let members) = value else {
      throw .wrongType(path: path, expected: "an object")
    }
    guard let member = members.last(where: { $0.name == key }), member.value != .null else {
      return nil
    }
    return JSONNode(value: member.value, path: path.isEmpty ? key : "\(path).\(key)")
  }

  /// The member called `key`, which must be there.
  func required(_ key: String) throws(TokenizationError) -> JSONNode {
    guard let node = try optional(key) else {
      throw .missing(path: path.isEmpty ? key : "\(path).\(key)")
    }
    return node
  }

  /// The members of an object, in order.
  func members() throws(TokenizationError) -> [JSONValue.Member] {
    guard case .object(let members) = value else {
      throw .wrongType(path: path, expected: "an object")
    }
    return members
  }

  /// The values of an array.
  func values() throws(TokenizationError) -> [JSONValue] {
    guard case .array(let values) = value else {
      throw .wrongType(path: path, expected: "an array")
    }
    return values
  }

  /// The elements of an array, each with its path.
  func elements() throws(TokenizationError) -> [JSONNode] {
    try values().enumerated().map { JSONNode(value: $1, path: "\(path)[\($0)]") }
  }

  /// The value as a string.
  func string() throws(TokenizationError) -> String {
    guard case .string(let string) = value else {
      throw .wrongType(path: path, expected: "a string")
    }
    return string
  }

  /// The value as a boolean.
  func bool() throws(TokenizationError) -> Bool {
    guard case .boolean(let bool) = value else {
      throw .wrongType(path: path, expected: "true or false")
    }
    return bool
  }

  /// The value as a whole number.
  func integer() throws(TokenizationError) -> Int {
    guard case .integer(let integer) = value else {
      throw .wrongType(path: path, expected: "a whole number")
    }
    return integer
  }

  /// The boolean member called `key`, or `standard` when it is absent or null.
  func bool(_ key: String, else standard: Bool) throws(TokenizationError) -> Bool {
    guard let node = try optional(key) else { return standard }
    return try node.bool()
  }
}
