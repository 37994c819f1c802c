// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Checkpoints

@Suite struct JSONParserTests {
  private func parse(_ bytes: [UInt8]) throws(CheckpointError) -> JSONValue {
    try FileContents(bytes: bytes, named: "test").withBytes { (buffer) throws(CheckpointError) in
      try JSONParser.parse(buffer, path: "test")
    }
  }

  private func parse(_ text: String) throws(CheckpointError) -> JSONValue {
    try parse(Array(text.utf8))
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
      try parse(#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#) == .string("\"\\/\u{8}\u{c}\n\r\té😀"))
  }

  @Test func numbersKeepTheirValues() throws {
    #expect(try parse("9007199254740993").wholeNumber == 9_007_199_254_740_993)
    #expect(try parse("1e2").wholeNumber == 100)
    #expect(try parse("1e-05").double == 1e-5)
    #expect(try parse("18446744073709551616").wholeNumber == nil)
    #expect(try parse("0.5").wholeNumber == nil)
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "01", "1.", "-", "1e", "+1", "tru", "nul",
    "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\t\"",
    "1 2", "NaN", "1e999", "{\"a\":1,\"a\":2}", "[", "]", "\u{FEFF}{}",
  ])
  func malformedDocumentsAreRefused(text: String) {
    #expect(throws: CheckpointError.self) { try parse(text) }
  }

  @Test func numbersAreRoundedOnce() throws {
    // JSONSerialization of Swift 6.3 gives 2.4760055541992196 here.
    #expect(try parse("2.4760055541992188").double == 2.4760055541992188)
    #expect(try parse("1.7976931348623157e308").double == .greatestFiniteMagnitude)
    #expect(try parse("5e-324").double == .leastNonzeroMagnitude)
  }

  @Test func nestingIsLimited() throws {
    let deepest = JSONParser.depthLimit
    _ = try parse(String(repeating: "[", count: deepest) + String(repeating: "]", count: deepest))
    #expect(throws: CheckpointError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
  }

  @Test func textThatIsNotUTF8IsRefused() {
    #expect(throws: CheckpointError.self) { try parse([0x22, 0xC3, 0x28, 0x22]) }
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
    let path = fixture(name)
    let other = try JSONSerialization.jsonObject(with: Data(try fileBytes(path)))
    #expect(agrees(try JSONParser.parse(path: path), other))
  }

  @Test func everyTruncationIsRefused() {
    let document = Array(#"{"a": [1.5, true, null, "\u00e9\ud83d\ude00"], "b": {"c": -1e5}}"#.utf8)
    for length in 0..<document.count {
      #expect(throws: CheckpointError.self) { try parse(Array(document[..<length])) }
    }
  }

  @Test func randomBytesNeverCrash() {
    let alphabet = Array("{}[]\",:\\u0123456789eE+-.truefalsn \u{0}é".utf8)
    for salt in 0..<2000 {
      let noise = pseudoRandomBytes(40, salt: UInt32(salt))
      _ = try? parse(noise.map { alphabet[Int($0) % alphabet.count] })
      _ = try? parse(noise)
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
