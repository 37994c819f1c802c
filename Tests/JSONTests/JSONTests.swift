// SPDX-License-Identifier: Apache-2.0
import Foundation
import Randomness
import Testing

@testable import JSON

struct JSONTests {
  private func parse(
    _ text: String, allowsRepeatedNames: Bool = false
  ) throws(JSONError) -> JSONValue {
    try JSONValue(parsing: Array(text.utf8), allowsRepeatedNames: allowsRepeatedNames)
  }

  @Test func everyKindOfValueIsRead() throws {
    let value = try parse(#" {"b": [1, -2.5e1, true, null, "x"], "a": {}} "#)
    #expect(value.members?.map(\.name) == ["b", "a"])
    #expect(
      value["b"] == .array([.integer(1), .number(-25), .boolean(true), .null, .string("x")]))
    #expect(value["a"]?.members == [])
    #expect(value["c"] == nil)
  }

  @Test func escapesAreUnderstood() throws {
    #expect(
      try parse(#""a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC""#) == .string("a\"\\/\u{8}\u{C}\n\r\tAé€"))
    #expect(try parse(#""\ud83d\udc4d\u0000x""#) == .string("👍\0x"))
    #expect(try parse("\"日本語\u{7F}\"") == .string("日本語\u{7F}"))
  }

  /// Two spellings of a letter are two tokens of a vocabulary.
  @Test func namesMayBeThereTwiceWhereTheyAreAllowedTo() throws {
    let text = "{\"e\u{301}\":1,\"\u{E9}\":2,\"a\":3,\"a\":4}"
    let members = try #require(try parse(text, allowsRepeatedNames: true).members)
    #expect(members.map { Array($0.name.utf8).count } == [3, 2, 1, 1])
    #expect(
      throws: JSONError(offset: 13, problem: "the name '\u{E9}' a second time")
    ) { try parse(text) }
  }

  @Test func numbersKeepTheirValues() throws {
    #expect(try parse("-0") == .integer(0))
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
    #expect(try parse("9007199254740993").wholeNumber == 9_007_199_254_740_993)
    #expect(try parse("1e2").wholeNumber == 100)
    #expect(try parse("1e-05").double == 1e-5)
    #expect(try parse("18446744073709551616").wholeNumber == nil)
    #expect(try parse("0.5").wholeNumber == nil)
  }

  @Test(arguments: [
    "", " ", "nul", "tru", "+1", "01", "-", "1.", ".5", "1e", "1.e5", "-01", "--1", "0x1", "NaN",
    "1e999",
    "'a'", "\"", "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\ud83d\"",
    "\"\\ud83dx\"", "\"\\ud83d\\u0041\"", "\"\\udc4d\"", "\"\n\"", "\"\t\"", "\"\\\n\"", "[", "[1",
    "[1,", "[1,]", "[,]", "[1 2]", "]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}",
    "{1:1}", "{\"a\" 1}", "{\"a\":1,\"a\":2}", "1 2", "[]]", "{}{}", "\u{FEFF}1", "\u{FEFF}{}",
  ])
  func malformedDocumentsAreRefused(text: String) {
    #expect(throws: JSONError.self) { try parse(text) }
  }

  @Test func numbersAreRoundedOnce() throws {
    // JSONSerialization of Swift 6.3 gives 2.4760055541992196 here.
    #expect(try parse("2.4760055541992188").double == 2.4760055541992188)
    #expect(try parse("1.7976931348623157e308").double == .greatestFiniteMagnitude)
    #expect(try parse("5e-324").double == .leastNonzeroMagnitude)
  }

  @Test func nestingIsLimited() throws {
    let deepest = JSONValue.depthLimit
    _ = try parse(String(repeating: "[", count: deepest) + String(repeating: "]", count: deepest))
    #expect(
      throws: JSONError(offset: deepest, problem: "more than \(deepest) values inside each other")
    ) { try parse(String(repeating: "[", count: 1_000_000)) }
  }

  @Test func textThatIsNotUTF8IsRefused() {
    for bytes: [UInt8] in [
      [0xFF], [0xC3], [0xC3, 0x28], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF5, 0x80, 0x80],
    ] {
      #expect(throws: JSONError(offset: 0, problem: "a string that is not UTF-8")) {
        try JSONValue(parsing: [0x22] + bytes + [0x22])
      }
    }
  }

  @Test func theErrorSaysWhere() {
    #expect(throws: JSONError(offset: 5, problem: "no value begins here")) { try parse("[1,2,x]") }
  }

  /// The value as Foundation's own reader sees it.
  private func agrees(_ value: JSONValue, _ other: Any) -> Bool {
    switch value {
    case .null: other is NSNull
    case .boolean(let truth): other as? Bool == truth
    case .integer(let number): other as? Int == number
    case .number(let number): other as? Double == number
    case .string(let text): other as? String == text
    case .array(let elements):
      (other as? [Any]).map { others in
        others.count == elements.count && zip(elements, others).allSatisfy { agrees($0, $1) }
      } ?? false
    case .object(let members):
      (other as? [String: Any]).map { others in
        others.count == members.count
          && members.allSatisfy { member in
            others[member.name].map { agrees(member.value, $0) } ?? false
          }
      } ?? false
    }
  }

  @Test(arguments: [
    "llama3-ropescaled/config.json", "qwen3/config.json",
    "llama-gqa-tied/tokenizer.json", "llama-gqa-tied/adapter/adapter_config.json",
  ])
  func filesReadAsFoundationReadsThem(name: String) throws {
    let models = #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
    let data = try Data(contentsOf: URL(filePath: "\(models)/Fixtures/models/\(name)"))
    let other = try JSONSerialization.jsonObject(with: data)
    #expect(agrees(try JSONValue(parsing: Array(data)), other))
  }

  @Test func everyTruncationIsRefused() {
    let document = Array(#"{"a": [1.5, true, null, "\u00e9\ud83d\ude00"], "b": {"c": -1e5}}"#.utf8)
    for length in 0..<document.count {
      #expect(throws: JSONError.self) { try JSONValue(parsing: Array(document[..<length])) }
    }
  }

  @Test func randomBytesNeverCrash() {
    let alphabet = Array("{}[]\",:\\u0123456789eE+-.truefalsn \u{0}é".utf8)
    var stream = RandomStream(Seed(1))
    for _ in 0..<2000 {
      let noise = (0..<40).map { _ in UInt8(stream.integer(below: 256)) }
      _ = try? JSONValue(parsing: noise.map { alphabet[Int($0) % alphabet.count] })
      _ = try? JSONValue(parsing: noise)
    }
  }

  @Test func whatIsWrittenReadsTheSame() throws {
    let value = JSONValue.object([
      .init(name: "z\"\\\n\u{1}é", value: .array([.integer(-3), .number(0.5), .null])),
      .init(name: "empty", value: .object([.init(name: "list", value: .array([]))])),
      .init(name: "yes", value: .boolean(true)),
    ])
    #expect(try parse(value.compactText) == value)
    #expect(try parse(value.indentedText) == value)
    #expect(!value.compactText.contains("\n"))
  }

  @Test func indentationIsTwoSpaces() throws {
    let value = try parse(#"{"a": {"b": [1, "x"]}, "c": []}"#)
    #expect(
      value.indentedText == """
        {
          "a": {
            "b": [
              1,
              "x"
            ]
          },
          "c": []
        }
        """)
  }
}
