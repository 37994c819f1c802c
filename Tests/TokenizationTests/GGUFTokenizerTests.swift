// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Tokenization

@Suite struct GGUFTokenizerTests {
  /// What a GGUF file would hold of a tokenizer.
  private struct Metadata {
    var tokens = ["a", "b", "ab", "<s>", "<tool>"]
    var types: [Int32] = [1, 1, 1, 3, 4]
    var merges = ["a b"]
    var model = "gpt2"
    var pre = "gpt-2"
    var begin: Int? = 3
    var end: Int? = 0
    var addBegin = false
    var addEnd = false

    func tokenizer() throws -> Tokenizer {
      try Tokenizer(
        tokens: tokens, types: types, merges: merges, model: model, pre: pre, begin: begin,
        end: end, unknown: 0, addBegin: addBegin, addEnd: addEnd)
    }
  }

  /// The metadata that a converter would make of a fixture.
  private func metadata(of name: String, pre: String) throws -> Metadata {
    let bytes = try Fixture.bytes("\(name).tokenizer.json")
    let object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
    let model = try #require(object?["model"] as? [String: Any])
    let vocabulary = try #require(model["vocab"] as? [String: Int])
    var metadata = Metadata()
    metadata.pre = pre
    metadata.tokens = vocabulary.sorted { $0.value < $1.value }.map(\.key)
    if let texts = model["merges"] as? [String] { metadata.merges = texts }
    if let pairs = model["merges"] as? [[String]] {
      metadata.merges = pairs.map { $0.joined(separator: " ") }
    }
    metadata.types = Array(repeating: 1, count: metadata.tokens.count)
    for added in try #require(object?["added_tokens"] as? [[String: Any]]) {
      let id = try #require(added["id"] as? Int)
      let content = try #require(added["content"] as? String)
      let type: Int32 = added["special"] as? Bool == true ? 3 : 4
      if id < metadata.tokens.count {
        metadata.types[id] = type
      } else {
        try #require(id == metadata.tokens.count)
        metadata.tokens.append(content)
        metadata.types.append(type)
      }
    }
    return metadata
  }

  @Test(arguments: [("gpt2", "default"), ("llama3", "llama-bpe"), ("llama3", "llama3")])
  func idsAreThoseOfTheTokenizerFile(name: String, pre: String) throws {
    var metadata = try metadata(of: name, pre: pre)
    metadata.merges.removeAll { $0.hasPrefix("#version") }
    metadata.begin = metadata.tokens.firstIndex(of: "<|begin_of_text|>")
    metadata.addBegin = metadata.begin != nil
    let tokenizer = try metadata.tokenizer()
    for example in try Fixture.values([Fixture.Case].self, "\(name).cases.json") {
      #expect(tokenizer.ids(of: example.wholeText) == example.wholeIDs)
    }
  }

  @Test func qwen2IsNormalized() throws {
    let tokenizer = try metadata(of: "qwen2", pre: "qwen2").tokenizer()
    let file = try Fixture.tokenizer("qwen2")
    for text in ["cafe\u{301} 123", "don't (x)\n\n  y", "<tool_call>1</tool_call>"] {
      #expect(tokenizer.ids(of: text) == file.ids(of: text))
    }
  }

  @Test func goldenTextsHaveTheIDsOfAutoTokenizer() throws {
    // Ids that the reduced vocabulary leaves free are filled with tokens that nothing merges into.
    let object = try JSONSerialization.jsonObject(
      with: Data(try Fixture.bytes("smollm2-reduced.tokenizer.json")))
    let model = try #require((object as? [String: Any])?["model"] as? [String: Any])
    let vocabulary = try #require(model["vocab"] as? [String: Int])
    var metadata = Metadata()
    metadata.pre = "smollm"
    metadata.tokens = (0...(vocabulary.values.max() ?? 0)).map { "<free \($0)>" }
    for (token, id) in vocabulary { metadata.tokens[id] = token }
    metadata.types = metadata.tokens.indices.map { $0 < 17 ? 3 : 1 }
    metadata.merges = try #require(model["merges"] as? [String])
    let tokenizer = try metadata.tokenizer()
    for example in try Fixture.values([Fixture.Case].self, "smollm2-reduced.cases.json") {
      #expect(tokenizer.ids(of: example.text) == example.wholeIDs, "\(example.text)")
    }
  }

  @Test func specialTokensAreFoundAndSkipped() throws {
    var metadata = Metadata()
    metadata.addBegin = true
    metadata.addEnd = true
    let tokenizer = try metadata.tokenizer()
    #expect(tokenizer.ids(of: "ab<s>a<tool>") == [3, 2, 3, 0, 4, 0])
    #expect(tokenizer.ids(of: "ab", addSpecialTokens: false) == [2])
    #expect(tokenizer.text(of: [3, 2, 4], skipSpecialTokens: true) == "ab<tool>")
  }

  @Test func foreignTokenizersAreRefusedByName() {
    var metadata = Metadata()
    metadata.model = "llama"
    #expect(
      throws: TokenizationError.unsupported(
        path: "tokenizer.ggml.model", found: "llama",
        supported: "a byte-level BPE tokenizer ('gpt2'), not SentencePiece")
    ) { try metadata.tokenizer() }
    metadata.model = "t5"
    #expect(throws: TokenizationError.self) { try metadata.tokenizer() }
    metadata.model = "gpt2"
    metadata.pre = "klingon"
    #expect(
      throws: TokenizationError.unsupported(
        path: "tokenizer.ggml.pre", found: "klingon",
        supported: "gpt-2, smollm, llama-bpe or qwen2 there, or the folder of the same model")
    ) { try metadata.tokenizer() }
  }

  @Test func damagedMetadataIsRefused() {
    func refusal(_ change: (inout Metadata) -> Void) -> String {
      var metadata = Metadata()
      change(&metadata)
      do {
        _ = try metadata.tokenizer()
        return "accepted"
      } catch {
        return "\(error)"
      }
    }
    #expect(refusal { _ in } == "accepted")
    #expect(refusal { $0.types = [] }.contains("has 0 entries for 5 tokens"))
    #expect(refusal { $0.tokens[1] = "a" }.contains("gives both the id 0 and 1 to 'a'"))
    #expect(refusal { $0.merges = ["a c"] }.contains("tokenizer.ggml.merges[0] merges 'c'"))
    #expect(refusal { $0.merges = ["ab"] }.contains("tokenizer.ggml.merges[0] is 'ab' and not"))
    #expect(
      refusal {
        $0.addBegin = true; $0.begin = nil
      }.contains("bos_token_id is missing"))
    #expect(
      refusal {
        $0.addBegin = true; $0.begin = 5
      }.contains("is 5, but there are 5 tokens"))
    #expect(
      refusal {
        $0.addEnd = true; $0.end = -1
      }.contains("is -1, but there are 5 tokens"))
  }
}
