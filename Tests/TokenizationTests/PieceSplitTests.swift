// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

@Suite struct PieceSplitTests {
  private func pieces(_ text: String, _ split: PieceSplit) -> [String] {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBufferPointer { split.applied(to: [0..<bytes.count], of: $0) }
      .map { String(decoding: bytes[$0], as: UTF8.self) }
  }

  @Test func splitsAreThoseOfTheTokenizersLibrary() throws {
    let fixture = try Fixture.values(Fixture.Splits.self, "splits.json")
    #expect(fixture.splits.count == 100)
    for example in fixture.splits {
      let split = PieceSplit(
        delimiter: example.kind == "regex"
          ? .pattern(try Pattern(example.pattern)) : .literal(Array(example.pattern.utf8)),
        behavior: try #require(PieceSplit.Behavior(rawValue: example.behavior)),
        isInverted: example.invert)
      for (text, expected) in zip(fixture.texts, example.pieces) {
        #expect(
          pieces(text, split) == expected,
          "\(example.pattern) \(example.behavior) \(example.invert) \(text)")
      }
    }
  }

  @Test func aSplitDoesNotLookBeyondItsPiece() throws {
    // "\s+(?!\S)" leaves a space before a word, unless the piece ends there.
    let split = PieceSplit(
      delimiter: .pattern(try Pattern(#"\s+(?!\S)|\s+"#)), behavior: .isolated, isInverted: false)
    let bytes = Array("  x".utf8)
    bytes.withUnsafeBufferPointer { text in
      #expect(split.applied(to: [0..<3], of: text) == [0..<1, 1..<2, 2..<3])
      #expect(split.applied(to: [0..<2, 2..<3], of: text) == [0..<2, 2..<3])
      #expect(split.applied(to: [], of: text) == [])
    }
  }

  @Test func aSpaceIsSetBeforeEveryPiece() throws {
    let digits = PieceSplit(
      delimiter: .pattern(try Pattern(#"\p{N}"#)), behavior: .isolated, isInverted: false)
    let preTokenizer = PreTokenizer(splits: [digits], addsPrefixSpace: true, wordSplit: nil)
    var pieces: [String] = []
    Array("a1 b".utf8).withUnsafeBufferPointer { text in
      preTokenizer.forEachPiece(of: text) { pieces.append(String(decoding: $0, as: UTF8.self)) }
    }
    #expect(pieces == [" a", " 1", " b"])
  }
}
