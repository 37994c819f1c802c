// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

@Suite struct JSONParserTests {
  private func parse(_ text: String) throws -> JSONValue {
    try JSONParser.parse(Array(text.utf8))
  }

  @Test func everyKindOfValueIsRead() throws {
    #expect(try parse(" null ") == .null)
    #expect(try parse("true") == .bool(true))
    #expect(try parse("[false]") == .array([.bool(false)]))
    #expect(try parse("-0") == .integer(0))
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
    #expect(try parse("-1.5e+2") == .number(-150))
    #expect(try parse("[]") == .array([]))
    #expect(try parse("{ }") == .object([]))
    #expect(
      try parse("{\"b\":1 , \"a\" : [ 2,3 ]}")
        == .object([
          JSONMember(key: "b", value: .integer(1)),
          JSONMember(key: "a", value: .array([.integer(2), .integer(3)])),
        ]))
  }

  @Test func equivalentKeysAreKeptApart() throws {
    guard case .object(let members) = try parse("{\"e\u{301}\":1,\"\u{E9}\":2}") else {
      Issue.record("not an object")
      return
    }
    #expect(members.count == 2)
    #expect(members.map { Array($0.key.utf8).count } == [3, 2])
  }

  @Test func stringsAreUnescaped() throws {
    #expect(
      try parse(#""a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC""#) == .string("a\"\\/\u{8}\u{C}\n\r\tAé€"))
    #expect(try parse(#""\ud83d\udc4d\u0000x""#) == .string("👍\0x"))
    #expect(try parse("\"日本語\u{7F}\"") == .string("日本語\u{7F}"))
  }

  @Test(arguments: [
    "", " ", "nul", "tru", "+1", "01", "-", "1.", ".5", "1e", "--1", "0x1", "NaN", "1e999", "'a'",
    "\"", "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\ud83d\"",
    "\"\\ud83dx\"", "\"\\ud83d\\u0041\"", "\"\\udc4d\"", "\"\n\"", "\"\\\n\"", "[", "[1", "[1,",
    "[1,]", "[,]", "[1 2]", "]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}",
    "{1:1}", "{\"a\" 1}", "1 2", "[]]", "{}{}", "\u{FEFF}1",
  ])
  func whatIsNotJSONIsRefused(text: String) {
    #expect(throws: TokenizationError.self) { try parse(text) }
  }

  @Test func whatIsNotUTF8IsRefused() {
    for bytes: [UInt8] in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF5, 0x80, 0x80]] {
      let text = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
      #expect(
        throws: TokenizationError.malformedJSON(offset: 0, problem: "a string that is not UTF-8")
      ) {
        try JSONParser.parse(text)
      }
    }
  }

  @Test func depthIsLimited() throws {
    let limit = JSONParser.maximumDepth
    #expect(throws: Never.self) {
      try parse(String(repeating: "[", count: limit) + String(repeating: "]", count: limit))
    }
    #expect(
      throws: TokenizationError.malformedJSON(
        offset: limit, problem: "more than \(limit) values inside each other")
    ) {
      try parse(String(repeating: "[", count: 1_000_000))
    }
  }

  @Test func theErrorSaysWhere() {
    #expect(throws: TokenizationError.malformedJSON(offset: 5, problem: "no value begins here")) {
      try parse("[1,2,x]")
    }
    let error = TokenizationError.malformedJSON(offset: 3, problem: "a string without an end")
    #expect(
      error.description
        == "tokenizer.json: a string without an end at byte 3; is the file complete?")
  }
}
