// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

@Suite struct PatternTests {
  private func matches(_ pattern: String, _ text: String) throws -> [String] {
    let pattern = try Pattern(pattern)
    let bytes = Array(text.utf8)
    var matches: [String] = []
    bytes.withUnsafeBufferPointer { subject in
      pattern.forEachMatch(in: subject, with: pattern.makeMatcher()) { range in
        matches.append(String(decoding: bytes[range], as: UTF8.self))
      }
    }
    return matches
  }

  private func refusal(_ pattern: String) -> String {
    do throws(PatternRefusal) {
      _ = try Pattern(pattern)
      return "accepted"
    } catch {
      return error.problem
    }
  }

  @Test func unicodeIsUnderstood() throws {
    #expect(try matches(#"\p{L}+"#, "añb 日本 x1") == ["añb", "日本", "x"])
    #expect(try matches(#"\p{N}"#, "1½٣Ⅻ") == ["1", "½", "٣", "Ⅻ"])
    #expect(try matches(#"(?i:'s)"#, "'s'S'ſ") == ["'s", "'S", "'ſ"])
    #expect(try matches(".", "a\né") == ["a", "é"])
  }

  @Test func spaceIsUnicodesWhiteSpace() throws {
    let space =
      "\t\n\u{B}\u{C}\r \u{85}\u{A0}\u{1680}\u{2000}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}"
    #expect(try matches(#"\s"#, space).count == space.unicodeScalars.count)
    #expect(try matches(#"[\s]"#, "\u{180E}\u{200B}\u{1C}\u{FEFF}") == [])
    #expect(try matches(#"\S"#, "\u{180E} a").count == 2)
    #expect(try matches(#"[^\s\p{L}]+"#, "a \u{180E}!b") == ["\u{180E}!"])
  }

  @Test func possessiveAndLazyRepeatsAreKept() throws {
    #expect(try matches("a++b?", "aaab a") == ["aaab", "a"])
    #expect(try matches("a*+a", "aaa") == [])
    #expect(try matches("a+?", "aa") == ["a", "a"])
    #expect(try matches("a{2,3}", "aaaaa") == ["aaa", "aa"])
  }

  @Test func emptyMatchesMoveOn() throws {
    #expect(try matches("x*", "axxé") == ["", "xx", ""])
    #expect(try matches("(?=é)", "éé") == ["", ""])
  }

  @Test func nothingMatchesInNothing() throws {
    #expect(try matches("a", "") == [])
  }

  @Test func longRunsNeedNoStack() throws {
    let text = String(repeating: " ", count: 300_000)
    #expect(
      try matches(#"\s*[\r\n]+|\s+(?!\S)|\s+"#, text + "x").map(\.utf8.count) == [299_999, 1])
    let letters = String(repeating: "é!", count: 100_000)
    #expect(try matches(#"[^\s]+(?!\S)"#, letters) == [letters])
    #expect(try matches("(?:a|é|!)?b?", letters).count == 200_000)
  }

  @Test(arguments: [
    PreTokenizerReader.wordPattern, PreTokenizerReader.wordPattern(digits: #"\p{N}{1,3}"#),
    #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s"#,
    #"[!"$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+| ?[\p{P}\p{S}]+[\r\n]*"#,
    #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{M}]+(?i:'s|'t|'re)?|\p{N}{1,3}"#,
    #"[一-龥぀-ゟ゠-ヿ]+"#, #"(a|b)c"#, #"(?<=a)b(?<!c)(?>d)"#, #"\d\D\t\-\é"#, "a{2}b{3,}",
  ])
  func patternsInUseAreTaken(pattern: String) {
    #expect(refusal(pattern) == "accepted")
  }

  @Test(arguments: [
    ("^a", "has the anchor '^'"), ("a$", "has the anchor '$'"), (#"\bx"#, #"has the escape '\b'"#),
    (#"\h"#, #"has the escape '\h'"#), (#"\w+"#, #"has the escape '\w'"#),
    (#"[\w]"#, #"has the escape '\w'"#), (#"\1"#, #"has the escape '\1'"#),
    (#"\Q"#, #"has the escape '\Q'"#), ("\\", "ends in a backslash"),
    ("[[a]]", "has a class inside a class"), ("[a&&b]", "has '&&' inside a class"),
    ("[]a]", "has an empty class"), ("[a", "leaves a '[' open"), ("a]", "closes nothing"),
    ("a}", "closes nothing"), ("a)", "closes nothing"), ("(a", "leaves a '(' open"),
    ("(a+)+", "repeats a group"), ("(?:a|a)*b", "repeats a group"), ("(a){2}", "repeats a group"),
    ("(?=a)?", "repeats an assertion"), ("*a", "repeats nothing"), ("a|+", "repeats nothing"),
    ("(*ACCEPT)", "repeats nothing"), ("a**", "repeats nothing"), ("a{,3}", "has a '{' that is"),
    ("a{x}", "has a '{' that is"), ("a{1,2,3}", "has a '{' that is"), ("a{2", "has a '{' that is"),
    ("a{2}+", "has '+' after '}'"), ("a{99999}", "has a '{' that is"),
    ("(?i:ss)", "has 'ss' where case"), ("(?i:(?:aST))", "has 'st' where case"),
    ("(?i:éa)", "has 'éa' where case"), ("(?i)a", "has a group other"),
    ("(?<n>a)", "has a group other"), ("(?#c)", "has a group other"),
    (#"\p{Han}"#, "property 'Han'"),
    (#"\pL"#, #"has \p without a name"#), (#"\p{"#, "property"), ("[z-a]", "range out of order"),
    (String(repeating: "a", count: 8193), "longer than 8192 characters"),
    (String(repeating: "(", count: 40), "groups too deep"),
  ])
  func whatWouldMeanSomethingElseIsRefused(pattern: String, complaint: String) {
    #expect(refusal(pattern).contains(complaint), "\(pattern.prefix(40)): \(refusal(pattern))")
  }

  @Test func randomPatternsNeverCrash() {
    let alphabet = Array(#"ab()[]{}*+?|\^-.,123pLsd:=!<é&"#)
    var generator = SplitMix(state: 1)
    var accepted = 0
    for _ in 0..<3000 {
      let length = Int(generator.next() % 12)
      let pattern = String(
        (0..<length).map { _ in alphabet[Int(generator.next() % UInt64(alphabet.count))] })
      if let found = try? matches(pattern, "abba1 é-{}[]aab") {
        accepted += 1
        #expect(found.count <= 17)
      }
    }
    #expect(accepted > 100)
  }
}
