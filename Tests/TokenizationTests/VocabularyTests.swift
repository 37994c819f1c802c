// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

@Suite struct VocabularyTests {
  @Test func tokensAreFoundByIDAndByContent() throws {
    var vocabulary = Vocabulary()
    let tokens = (0..<5000).map { "token\($0 &* 7919)" }
    for (id, token) in tokens.enumerated() { try vocabulary.insert(token, id: id) }
    #expect(vocabulary.size == 5000)
    for (id, token) in tokens.enumerated() {
      #expect(vocabulary.id(of: token) == Int32(id))
      #expect(vocabulary.text(of: Int32(id)) == token)
    }
    #expect(vocabulary.id(of: "token") == nil)
    #expect(vocabulary.text(of: 5000) == nil)
    #expect(vocabulary.text(of: -1) == nil)
  }

  @Test func idsMayBeSparseAndOutOfOrder() throws {
    var vocabulary = Vocabulary()
    try vocabulary.insert("high", id: 100)
    try vocabulary.insert("low", id: 3)
    #expect(vocabulary.size == 101)
    #expect(vocabulary.text(of: 3) == "low")
    #expect(vocabulary.text(of: 50) == nil)
    #expect(vocabulary.id(of: "high") == 100)
  }

  @Test func equivalentSpellingsAreDifferentTokens() throws {
    var vocabulary = Vocabulary()
    try vocabulary.insert("\u{E9}", id: 0)
    try vocabulary.insert("e\u{301}", id: 1)
    #expect(vocabulary.id(of: "\u{E9}") == 0)
    #expect(vocabulary.id(of: "e\u{301}") == 1)
  }

  @Test func theEmptyTokenIsAToken() throws {
    var vocabulary = Vocabulary()
    #expect(vocabulary.id(of: "") == nil)
    try vocabulary.insert("", id: 4)
    #expect(vocabulary.id(of: "") == 4)
  }

  @Test func whatIsTakenOrOutOfRangeIsRefused() throws {
    var vocabulary = Vocabulary()
    try vocabulary.insert("a", id: 0)
    for id in [-1, Vocabulary.maximumSize, Int.max, Int.min] {
      #expect(throws: Vocabulary.Refusal.self) { try vocabulary.insert("b", id: id) }
    }
    #expect(throws: Vocabulary.Refusal.self) { try vocabulary.insert("b", id: 0) }
    #expect(throws: Vocabulary.Refusal.self) { try vocabulary.insert("a", id: 1) }
    #expect(vocabulary.size == 1)
    try vocabulary.insert("b", id: 1)
    #expect(vocabulary.text(of: 0) == "a" && vocabulary.text(of: 1) == "b")
  }
}

@Suite struct ByteAlphabetTests {
  @Test func everyByteHasACharacterOfItsOwn() {
    #expect(Set(ByteAlphabet.scalars).count == 256)
    for byte in UInt8.min...UInt8.max {
      #expect(ByteAlphabet.byte(of: ByteAlphabet.scalars[Int(byte)]) == byte)
    }
    #expect(ByteAlphabet.scalars[0x20] == "Ġ")
    #expect(ByteAlphabet.scalars[0x0A] == "Ċ")
    #expect(ByteAlphabet.scalars[0x00] == "Ā")
    #expect(ByteAlphabet.scalars[0xAD] == "Ń")
    #expect(ByteAlphabet.scalars[0x41] == "A")
    #expect(ByteAlphabet.byte(of: " ") == nil)
    #expect(ByteAlphabet.byte(of: "\u{144}") == nil)
    #expect(ByteAlphabet.byte(of: "日") == nil)
  }

  @Test func bytesAreSpelledAndReadBack() {
    let bytes = Array(UInt8.min...UInt8.max)
    var spelled: [UInt8] = [1, 2, 3]
    bytes.withUnsafeBufferPointer { ByteAlphabet.spell($0, into: &spelled) }
    #expect(
      String(decoding: spelled, as: UTF8.self).unicodeScalars.elementsEqual(ByteAlphabet.scalars))
    var result: [UInt8] = [9]
    ByteAlphabet.append(spelled[...], to: &result)
    #expect(result == [9] + bytes)
  }

  @Test func aTokenWithAForeignCharacterStandsForItself() {
    var result: [UInt8] = []
    ByteAlphabet.append(ArraySlice("aĠ".utf8), to: &result)
    ByteAlphabet.append(ArraySlice("Ġ日".utf8), to: &result)
    #expect(String(decoding: result, as: UTF8.self) == "a Ġ日")
  }
}
