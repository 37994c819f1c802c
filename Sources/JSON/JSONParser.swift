// SPDX-License-Identifier: Apache-2.0

/// Why a text is not JSON.
public struct JSONError: Error, Hashable {
  /// The byte at which it stops to be.
  public let offset: Int
  /// What is wrong there, as `a string without an end`.
  public let problem: String
}

extension JSONValue {
  /// Deeper documents are refused, for they would overflow the stack.
  public static let depthLimit = 64

  /// Reads a document (RFC 8259), every number rounded once.
  ///
  /// - Parameter allowsRepeatedNames: whether a name may be in an object twice; if not, names that
  ///   Unicode takes for equivalent are the same.
  /// - Throws: for bytes that are anything else, and for numbers that no double can be.
  public init(
    parsing bytes: UnsafeRawBufferPointer, allowsRepeatedNames: Bool = false
  ) throws(JSONError) {
    var parser = JSONParser(
      bytes: bytes.assumingMemoryBound(to: UInt8.self), allowsRepeatedNames: allowsRepeatedNames)
    self = try parser.document()
  }

  /// Reads a document, as from a buffer.
  public init(parsing bytes: [UInt8], allowsRepeatedNames: Bool = false) throws(JSONError) {
    self = try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
      try JSONValue(
        parsing: UnsafeRawBufferPointer(buffer), allowsRepeatedNames: allowsRepeatedNames)
    }
  }
}

/// Reads a JSON text in one pass over its bytes.
///
/// Written for vocabularies of megabytes: strings without escapes are copied once, and small ones
/// are not allocated at all. The pointer does not outlive the initializers that make a parser.
private struct JSONParser {
  private let bytes: UnsafeBufferPointer<UInt8>
  private let allowsRepeatedNames: Bool
  private var position = 0
  private var depth = 0

  init(bytes: UnsafeBufferPointer<UInt8>, allowsRepeatedNames: Bool) {
    self.bytes = bytes
    self.allowsRepeatedNames = allowsRepeatedNames
  }

  mutating func document() throws(JSONError) -> JSONValue {
    skipSpace()
    let value = try value()
    skipSpace()
    guard position == bytes.count else { throw failure("text after the value") }
    return value
  }

  private mutating func value() throws(JSONError) -> JSONValue {
    guard let first = peek() else { throw failure("the text ends where a value should begin") }
    switch first {
    case UInt8(ascii: "{"):
      return try nested { (parser) throws(JSONError) in
        .object(try parser.members())
      }
    case UInt8(ascii: "["):
      return try nested { (parser) throws(JSONError) in
        .array(try parser.elements())
      }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .boolean(true))
    case UInt8(ascii: "f"): return try literal("false", .boolean(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw failure("no value begins here")
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(JSONError) -> JSONValue
  ) throws(JSONError) -> JSONValue {
    guard depth < JSONValue.depthLimit else {
      throw failure("more than \(JSONValue.depthLimit) values inside each other")
    }
    depth += 1
    defer { depth -= 1 }
    position += 1
    return try body(&self)
  }

  private mutating func members() throws(JSONError) -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    var names: Set<String> = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return members }
    while true {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw failure("a name must be a string") }
      let name = try string()
      guard allowsRepeatedNames || names.insert(name).inserted else {
        throw failure("the name '\(name)' a second time")
      }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw failure("a name must be followed by ':'") }
      skipSpace()
      members.append(JSONValue.Member(name: name, value: try value()))
      skipSpace()
      if take(UInt8(ascii: "}")) { return members }
      guard take(UInt8(ascii: ",")) else { throw failure("expected ',' or '}'") }
    }
  }

  private mutating func elements() throws(JSONError) -> [JSONValue] {
    var values: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return values }
    while true {
      skipSpace()
      values.append(try value())
      skipSpace()
      if take(UInt8(ascii: "]")) { return values }
      guard take(UInt8(ascii: ",")) else { throw failure("expected ',' or ']'") }
    }
  }

  private mutating func string() throws(JSONError) -> String {
    let start = position + 1
    var end = start
    var escaped = false
    while end < bytes.count, bytes[end] != UInt8(ascii: "\"") {
      guard bytes[end] >= 0x20 else {
        position = end
        throw failure("a control character inside a string")
      }
      if bytes[end] == UInt8(ascii: "\\") {
        escaped = true
        end += 1
      }
      end += 1
    }
    guard end < bytes.count else { throw failure("a string without an end") }
    let raw = UnsafeBufferPointer(rebasing: bytes[start..<end])
    let text =
      escaped
      ? String(validating: try unescaped(raw), as: UTF8.self)
      : String(validating: raw, as: UTF8.self)
    guard let text else { throw failure("a string that is not UTF-8") }
    position = end + 1
    return text
  }

  private func unescaped(
    _ raw: UnsafeBufferPointer<UInt8>
  ) throws(JSONError) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(raw.count)
    var index = 0
    while index < raw.count {
      guard raw[index] == UInt8(ascii: "\\") else {
        result.append(raw[index])
        index += 1
        continue
      }
      let letter = raw[index + 1]
      index += 2
      if letter == UInt8(ascii: "u") {
        result.append(contentsOf: Array(String(try escapedScalar(raw, at: &index)).utf8))
      } else if let byte = Self.escapes[letter] {
        result.append(byte)
      } else {
        throw failure("an unknown escape inside a string")
      }
    }
    return result
  }

  /// The scalar of the four digits at `index`, or of eight that spell a surrogate pair.
  private func escapedScalar(
    _ raw: UnsafeBufferPointer<UInt8>, at index: inout Int
  ) throws(JSONError) -> Unicode.Scalar {
    let first = try fourDigits(raw, at: &index)
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, index + 1 < raw.count, raw[index] == UInt8(ascii: "\\"),
      raw[index + 1] == UInt8(ascii: "u")
    else { throw failure("half of a surrogate pair inside a string") }
    index += 2
    let second = try fourDigits(raw, at: &index)
    guard 0xDC00...0xDFFF ~= second,
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw failure("half of a surrogate pair inside a string") }
    return scalar
  }

  private func fourDigits(
    _ raw: UnsafeBufferPointer<UInt8>, at index: inout Int
  ) throws(JSONError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard index < raw.count,
        let digit = Character(Unicode.Scalar(raw[index])).hexDigitValue, raw[index] < 0x80
      else { throw failure("an incomplete \\u escape inside a string") }
      code = code << 4 | UInt32(digit)
      index += 1
    }
    return code
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    _ = take(UInt8(ascii: "-"))
    let startsWithZero = peek() == UInt8(ascii: "0")
    let wholeCount = digits()
    var isWellFormed = wholeCount == 1 || wholeCount > 1 && !startsWithZero
    var isWhole = true
    if take(UInt8(ascii: ".")) {
      isWhole = false
      isWellFormed = digits() > 0 && isWellFormed
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isWhole = false
      _ = take(UInt8(ascii: "+")) || take(UInt8(ascii: "-"))
      isWellFormed = digits() > 0 && isWellFormed
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isWellFormed, isWhole, let integer = Int(text) { return .integer(integer) }
    if isWellFormed, let number = Double(text), number.isFinite { return .number(number) }
    position = start
    throw failure("an impossible number")
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = peek(), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { position += 1 }
    return position - start
  }

  private mutating func literal(
    _ word: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    let end = position + word.utf8CodeUnitCount
    let expected = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
    guard end <= bytes.count, bytes[position..<end].elementsEqual(expected) else {
      throw failure("no value begins here")
    }
    position = end
    return value
  }

  private func peek() -> UInt8? {
    position < bytes.count ? bytes[position] : nil
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  private func failure(_ problem: String) -> JSONError {
    JSONError(offset: position, problem: problem)
  }

  private static let escapes: [UInt8: UInt8] = [
    UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "\\"): UInt8(ascii: "\\"),
    UInt8(ascii: "/"): UInt8(ascii: "/"), UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C,
    UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09,
  ]
}
