// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

@Suite struct AddedTokensTests {
  private func token(
    _ id: Int32, _ content: String, single: Bool = false, left: Bool = false, right: Bool = false
  ) -> AddedToken {
    AddedToken(
      id: id, content: content, isSingleWord: single, stripsLeft: left, stripsRight: right)
  }

  /// The segments of `text`: pieces of it, and ids in brackets.
  private func segments(_ text: String, _ tokens: [AddedToken]) -> [String] {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBufferPointer { AddedTokens(tokens).segments(of: $0) }.map { segment in
      switch segment {
      case .text(let range): String(decoding: bytes[range], as: UTF8.self)
      case .token(let id): "[\(id)]"
      }
    }
  }

  @Test func textWithoutTokensIsOneSegment() {
    #expect(segments("some text", []) == ["some text"])
    #expect(segments("some text", [token(0, "x<")]) == ["some text"])
    #expect(segments("", [token(0, "x")]) == [])
    #expect(segments("ab", [token(0, "")]) == ["ab"])
  }

  @Test func theLeftmostAndThenTheLongestIsFound() {
    let tokens = [token(0, "ab"), token(1, "abcd"), token(2, "bcde"), token(3, "b")]
    #expect(segments("abcde", tokens) == ["[1]", "e"])
    #expect(segments("abcxbcde", tokens) == ["[0]", "cx", "[2]"])
    #expect(segments("aab", tokens) == ["a", "[0]"])
    #expect(segments("bb", tokens) == ["[3]", "[3]"])
    #expect(segments("abc", [token(0, "x"), token(4, "abcd"), token(5, "bc")]) == ["a", "[5]"])
  }

  @Test func ofEqualContentsTheFirstCounts() {
    #expect(segments("ab", [token(7, "ab"), token(8, "ab")]) == ["[7]"])
  }

  @Test func spaceAroundIsTakenInOnDemand() {
    #expect(segments("a  <l> b", [token(0, "<l>", left: true)]) == ["a", "[0]", " b"])
    #expect(segments("a <r> \u{3000}\tb", [token(0, "<r>", right: true)]) == ["a ", "[0]", "b"])
    let both = [token(0, "<x>", left: true, right: true)]
    #expect(segments(" <x> <x> ", both) == ["[0]", "[0]"])
    #expect(segments("<x>", both) == ["[0]"])
    #expect(segments("\u{200B}<x>", both) == ["\u{200B}", "[0]"])
  }

  @Test func aTokenMayLieInTheSpaceThatAnotherTook() {
    // The tokenizers library finds the spaces twice, too.
    let right = token(0, "<r>", right: true)
    #expect(segments("a<r>     b", [right, token(1, "  ")]) == ["a", "[0]", "[1]", "[1]", " b"])
    #expect(segments("a<r>  b", [right, token(1, "  ", right: true)]) == ["a", "[0]", "[1]", "b"])
    // With space taken in on the left as well, it panics.
    let both = segments("a<r>     b", [right, token(1, "  ", left: true)])
    #expect(both.first == "a" && both.last == " b")
  }

  @Test func whatIsFoundEarlierHidesWhatIsFoundLater() {
    let single = token(0, "<r>", single: true, left: true, right: true)
    #expect(
      segments("a <r>  <r> b", [single, token(1, " <r>")])
        == ["a", "[1]", " ", "[1]", " b"])
    #expect(
      segments("xone one", [token(0, "xone", single: true), token(1, "one")]) == [
        "[0]", " ", "[1]",
      ])
    #expect(segments("axone", [token(0, "xone", single: true), token(1, "one")]) == ["axone"])
  }

  @Test func aSingleWordTouchesNoOther() {
    let tokens = [token(0, "one", single: true)]
    #expect(
      segments("one, one-one (one)", tokens) == ["[0]", ", ", "[0]", "-", "[0]", " (", "[0]", ")"])
    for text in ["xone", "onex", "one1", "one_", "éone", "one\u{301}", "one\u{200D}", "٣one"] {
      #expect(segments(text, tokens) == [text])
    }
    #expect(segments("日one", tokens) == ["日one"])
    #expect(segments("👍one😀", tokens) == ["👍", "[0]", "😀"])
  }
}
