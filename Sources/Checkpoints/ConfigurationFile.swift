// SPDX-License-Identifier: Apache-2.0
internal import JSON

extension JSONValue {
  /// The document in `bytes`, of which errors say that they are from `path`; no name may be there twice.
  init(parsing bytes: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
    do throws(JSONError) {
      try self.init(parsing: bytes)
    } catch {
      throw .malformed(path: path, what: "\(error.problem) at byte \(error.offset) of its JSON")
    }
  }

  /// The document in the file at `path`.
  init(path: String) throws(CheckpointError) {
    let bytes = try FileContents.read(path, limit: 64 << 20)
    self = try bytes.withUnsafeBufferPointer { (bytes) throws(CheckpointError) in
      try JSONValue(parsing: UnsafeRawBufferPointer(bytes), path: path)
    }
  }
}

/// A `config.json` of transformers, asked key by key.
///
/// A key that is absent or null has transformers' default; one of the wrong type is refused.
struct ConfigurationFile {
  let path: String
  let document: JSONValue

  /// Whether the file has a value for `key`.
  func has(_ key: String) -> Bool { document[key] != nil }

  /// A whole number.
  func integer(_ key: String, default standard: Int) throws(CheckpointError) -> Int {
    try integer(key) ?? standard
  }

  /// A whole number, or nil.
  func integer(_ key: String) throws(CheckpointError) -> Int? {
    guard let value = document[key] else { return nil }
    guard let number = value.wholeNumber else { throw wrongType(key, "a whole number") }
    return number
  }

  /// A number.
  func number(_ key: String, default standard: Double) throws(CheckpointError) -> Double {
    guard let value = document[key] else { return standard }
    guard let number = value.double else { throw wrongType(key, "a number") }
    return number
  }

  /// A number that must be there.
  func requiredNumber(_ key: String) throws(CheckpointError) -> Double {
    guard has(key) else { throw .missing(path: path, what: "value for '\(key)'") }
    return try number(key, default: 0)
  }

  /// A truth value.
  func truth(_ key: String, default standard: Bool) throws(CheckpointError) -> Bool {
    guard let value = document[key] else { return standard }
    guard let truth = value.truth else { throw wrongType(key, "true or false") }
    return truth
  }

  /// A string.
  func text(_ key: String, default standard: String) throws(CheckpointError) -> String {
    guard let value = document[key] else { return standard }
    guard let text = value.text else { throw wrongType(key, "a string") }
    return text
  }

  /// An object, as a file of its own; nil where it is absent or empty.
  func object(_ key: String) throws(CheckpointError) -> ConfigurationFile? {
    guard let value = document[key] else { return nil }
    guard let members = value.members else { throw wrongType(key, "an object") }
    return members.isEmpty ? nil : ConfigurationFile(path: path, document: value)
  }

  /// One whole number or several; nil where the key is absent.
  func integers(_ key: String) throws(CheckpointError) -> [Int]? {
    guard let value = document[key] else { return nil }
    let elements = value.elements ?? [value]
    let numbers = elements.compactMap(\.wholeNumber)
    guard numbers.count == elements.count else { throw wrongType(key, "whole numbers") }
    return numbers
  }

  private func wrongType(_ key: String, _ expected: String) -> CheckpointError {
    .malformed(path: path, what: "'\(key)' is not \(expected)")
  }
}
