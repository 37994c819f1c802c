// SPDX-License-Identifier: Apache-2.0

/// A strict reader of JSON (RFC 8259) that names the byte where it stopped.
struct JSONParser {
  /// How deep arrays and objects may nest.
  static let depthLimit = 64

  private let path: String
  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var depth = 0

  /// Reads the document `bytes`; errors speak of `path`.
  static func parse(
    _ bytes: UnsafeRawBufferPointer, path: String
  ) throws(CheckpointError) -> JSONValue {
    var parser = JSONParser(path: path, bytes: bytes)
    let value = try parser.value()
    parser.skipSpace()
    guard parser.position == bytes.count else { throw parser.error("text after the document") }
    return value
  }

  /// Reads the document in the file at `path`.
  static func parse(path: String, limit: Int = 64 << 20) throws(CheckpointError) -> JSONValue {
    let bytes = try FileContents.read(path, limit: limit)
    return try FileContents(bytes: bytes, named: path).withBytes {
      (buffer) throws(CheckpointError) in
      try parse(buffer, path: path)
    }
  }

  private init(path: String, bytes: UnsafeRawBufferPointer) {
    self.path = path
    self.bytes = bytes
  }

  private mutating func value() throws(CheckpointError) -> JSONValue {
    skipSpace()
    switch peek() ?? 0 {
    case UInt8(ascii: "{"):
      return try nested { (parser) throws(CheckpointError) in try parser.object() }
    case UInt8(ascii: "["):
      return try nested { (parser) throws(CheckpointError) in try parser.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .boolean(true))
    case UInt8(ascii: "f"): return try literal("false", .boolean(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error("no JSON value")
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(CheckpointError) -> JSONValue
  ) throws(CheckpointError) -> JSONValue {
    depth += 1
    guard depth <= Self.depthLimit else { throw error("nesting over \(Self.depthLimit) deep") }
    defer { depth -= 1 }
    position += 1
    return try body(&self)
  }

  private mutating func object() throws(CheckpointError) -> JSONValue {
    var members: [JSONValue.Member] = []
    var names: Set<String> = []
    if accept("}") { return .object([]) }
    repeat {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw error("no name of a member") }
      let name = try string()
      guard names.insert(name).inserted else { throw error("the name '\(name)' a second time") }
      guard accept(":") else { throw error("no colon after '\(name)'") }
      members.append(JSONValue.Member(name: name, value: try value()))
    } while accept(",")
    guard accept("}") else { throw error("an object without end") }
    return .object(members)
  }

  private mutating func array() throws(CheckpointError) -> JSONValue {
    var elements: [JSONValue] = []
    if accept("]") { return .array([]) }
    repeat { elements.append(try value()) } while accept(",")
    guard accept("]") else { throw error("an array without end") }
    return .array(elements)
  }

  private mutating func literal(
    _ word: StaticString, _ value: JSONValue
  ) throws(CheckpointError) -> JSONValue {
    for offset in 0..<word.utf8CodeUnitCount {
      guard peek() == word.utf8Start[offset] else { throw error("no JSON value") }
      position += 1
    }
    return value
  }

  private mutating func number() throws(CheckpointError) -> JSONValue {
    let start = position
    if peek() == UInt8(ascii: "-") { position += 1 }
    let first = position
    let whole = digits()
    guard whole > 0, whole == 1 || bytes[first] != UInt8(ascii: "0") else {
      throw error("a malformed number")
    }
    var isInteger = true
    if peek() == UInt8(ascii: ".") {
      position += 1
      isInteger = false
      guard digits() > 0 else { throw error("a malformed number") }
    }
    if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
      position += 1
      isInteger = false
      if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw error("a malformed number") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw error("a number out of range") }
    return .number(value)
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = peek(), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { position += 1 }
    return position - start
  }

  private mutating func string() throws(CheckpointError) -> String {
    position += 1
    var text: [UInt8] = []
    while let byte = peek() {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw error("a string that is not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<32: throw error("a control character in a string")
      default: text.append(byte)
      }
    }
    throw error("a string without end")
  }

  private mutating func escape(into text: inout [UInt8]) throws(CheckpointError) {
    guard let byte = peek() else { throw error("a string without end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "u"): text.append(contentsOf: try String(unicodeEscape()).utf8)
    default: throw error("an unknown escape")
    }
  }

  private mutating func unicodeEscape() throws(CheckpointError) -> Character {
    var code = try fourHexDigits()
    if 0xD800..<0xDC00 ~= code {
      guard literalBytes("\\u") else { throw error("half a surrogate pair") }
      let low = try fourHexDigits()
      guard 0xDC00..<0xE000 ~= low else { throw error("half a surrogate pair") }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = UnicodeScalar(code) else { throw error("half a surrogate pair") }
    return Character(scalar)
  }

  private mutating func fourHexDigits() throws(CheckpointError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
        throw error("a malformed \\u escape")
      }
      code = code << 4 + UInt32(digit)
      position += 1
    }
    return code
  }

  private mutating func literalBytes(_ text: StaticString) -> Bool {
    guard bytes.count - position >= text.utf8CodeUnitCount else { return false }
    for offset in 0..<text.utf8CodeUnitCount
    where bytes[position + offset] != text.utf8Start[offset] {
      return false
    }
    position += text.utf8CodeUnitCount
    return true
  }

  private mutating func accept(_ mark: Unicode.Scalar) -> Bool {
    skipSpace()
    guard peek() == UInt8(ascii: mark) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek(), byte == 32 || byte == 10 || byte == 13 || byte == 9 { position += 1 }
  }

  private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

  private func error(_ what: String) -> CheckpointError {
    .malformed(path: path, what: "\(what) at byte \(position) of its JSON")
  }
}
