// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenization

@Suite struct TokenizerTests {
  @Test(arguments: Fixture.names)
  func idsAreThoseOfTransformers(name: String) throws {
    let tokenizer = try Fixture.tokenizer(name)
    let cases = try Fixture.values([Fixture.Case].self, "\(name).cases.json")
    #expect(cases.count > 50)
    for example in cases {
      let text = example.wholeText
      #expect(tokenizer.ids(of: text) == example.wholeIDs, "\(example.text.debugDescription)")
      if example.ids != nil {
        let plain = tokenizer.ids(of: text, addSpecialTokens: false)
        #expect(plain == example.plain ?? example.wholeIDs, "\(text.debugDescription)")
      }
    }
  }

  @Test(arguments: Fixture.names)
  func textIsThatOfTransformers(name: String) throws {
    let tokenizer = try Fixture.tokenizer(name)
    let cases = try Fixture.values([Fixture.Case].self, "\(name).cases.json")
    for example in cases where example.ids != nil {
      let decoded = tokenizer.text(of: example.wholeIDs)
      #expect(isIdentical(decoded, example.decoded ?? example.text))
      let skipped = tokenizer.text(of: example.wholeIDs, skipSpecialTokens: true)
      #expect(isIdentical(skipped, example.skipped ?? example.text))
    }
  }

  @Test func randomIDsDecodeAsInTransformers() throws {
    for set in try Fixture.values([Fixture.Decoded].self, "decoded.json") {
      let tokenizer = try Fixture.tokenizer(set.tokenizer)
      for (ids, text) in zip(set.ids, set.texts) {
        #expect(isIdentical(tokenizer.text(of: ids), text), "\(set.tokenizer) \(ids)")
      }
    }
  }

  @Test func goldenTextsHaveTheIDsOfAutoTokenizer() throws {
    let cases = try Fixture.values([Fixture.Case].self, "smollm2-reduced.cases.json")
    let json = try Fixture.bytes("smollm2-reduced.tokenizer.json")
    let file = try Tokenizer(json: json)
    let configuration = Array(#"{"tokenizer_class": "GPT2TokenizerFast"}"#.utf8)
    let auto = try Tokenizer(json: json, configuration: configuration, modelType: "llama")
    #expect(cases.count == 12)
    #expect(file.vocabularySize > 40_000)
    for example in cases {
      #expect(auto.ids(of: example.text) == example.wholeIDs, "\(example.text)")
      #expect(file.ids(of: example.text) == example.file ?? example.wholeIDs, "\(example.text)")
      #expect(isIdentical(auto.text(of: example.wholeIDs), example.decoded ?? example.text))
    }
  }

  @Test func idsAreTheSameFromSeveralTasksAtOnce() async throws {
    let tokenizer = try Fixture.tokenizer("llama3")
    let text = String(repeating: "To be, or not to be: that's the 1st question.\n", count: 50)
    let expected = tokenizer.ids(of: text)
    await withTaskGroup(of: [Int32].self) { group in
      for _ in 0..<8 { group.addTask { tokenizer.ids(of: text) } }
      for await ids in group { #expect(ids == expected) }
    }
  }

  @Test func foreignIDsAreLeftOut() throws {
    let tokenizer = try Fixture.tokenizer("gpt2")
    let ids = tokenizer.ids(of: "word")
    let foreign: [Int32] = [-1, .min, .max, Int32(tokenizer.vocabularySize)]
    #expect(tokenizer.text(of: foreign + ids + foreign) == "word")
    #expect(tokenizer.text(of: []) == "")
  }

  @Test func halfACharacterBecomesTheReplacementCharacter() throws {
    let tokenizer = try Fixture.tokenizer("gpt2")
    let ids = tokenizer.ids(of: "𝘅")
    #expect(ids.count > 1)
    #expect(tokenizer.text(of: ids) == "𝘅")
    #expect(tokenizer.text(of: Array(ids.dropLast())) == "\u{FFFD}")
  }

  @Test func textOfGreatLengthIsRoundTripped() throws {
    let tokenizer = try Fixture.tokenizer("gpt2")
    let word = String(repeating: "abcdefghij", count: 3000)
    let text = String(repeating: "All the world's a stage. ", count: 800) + word
    #expect(tokenizer.text(of: tokenizer.ids(of: text)) == text)
  }
}
