// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenization

@Suite struct TokenizerConfigurationTests {
  private let text = "In 1984 cafe\u{301} ½(x)"

  private func ids(
    _ name: String, _ configuration: String?, _ modelType: String?
  ) throws -> [Int32] {
    let tokenizer = try Tokenizer(
      json: try Fixture.bytes("\(name).tokenizer.json"),
      configuration: configuration.map { Array($0.utf8) }, modelType: modelType)
    return tokenizer.ids(of: text)
  }

  private func ids(_ name: String) throws -> [Int32] {
    try Fixture.tokenizer(name).ids(of: text)
  }

  @Test(arguments: [
    nil, "{}", #"{"tokenizer_class": "PreTrainedTokenizerFast"}"#,
    #"{"tokenizer_class": "TokenizersBackend"}"#, #"{"tokenizer_class": "LlamaTokenizer"}"#,
  ])
  func otherClassesFollowTheFile(configuration: String?) throws {
    for name in Fixture.names {
      #expect(try ids(name, configuration, "llama") == ids(name))
    }
  }

  @Test func aQwen2ModelIsRebuiltWhateverItSays() throws {
    let backend = #"{"tokenizer_class": "TokenizersBackend"}"#
    let rebuilt = try ids("gpt2", backend, "qwen2")
    #expect(rebuilt != (try ids("gpt2")))
    #expect(rebuilt == (try ids("gpt2", #"{"tokenizer_class": "Qwen2Tokenizer"}"#, nil)))
    #expect(try ids("gpt2", backend, "qwen3") == ids("gpt2"))
    #expect(try ids("gpt2", nil, "qwen3") == rebuilt)
    #expect(try ids("qwen2", nil, "qwen2") == ids("qwen2"))
  }

  @Test func aGPT2TokenizerIsRebuilt() throws {
    let class2 = #"{"tokenizer_class": "GPT2Tokenizer"}"#
    #expect(try ids("gpt2", class2, "gpt2") == ids("gpt2"))
    #expect(try ids("qwen2", class2, "llama") != ids("qwen2"))
    let prefixed = #"{"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true}"#
    let expected = try Fixture.tokenizer("gpt2").ids(of: " " + text)
    #expect(try ids("gpt2", prefixed, "gpt2") == expected)
  }

  @Test func beginAndEndTakeThePlaceOfThePostProcessor() throws {
    let plain = try Fixture.tokenizer("llama3").ids(of: text, addSpecialTokens: false)
    let begin = try Fixture.tokenizer("llama3").ids(of: "")
    #expect(begin.count == 1)
    #expect(try ids("llama3", #"{"add_bos_token": false}"#, nil) == plain)
    #expect(try ids("llama3", #"{"add_bos_token": true}"#, nil) == plain)
    let both = #"""
      {"add_bos_token": true, "add_eos_token": true, "bos_token": "<|begin_of_text|>",
       "eos_token": {"content": "<|begin_of_text|>", "lstrip": false}}
      """#
    #expect(try ids("llama3", both, nil) == begin + plain + begin)
  }

  @Test func nonsenseIsRefused() throws {
    #expect(throws: TokenizationError.wrongType(path: "add_bos_token", expected: "true or false")) {
      try ids("llama3", #"{"add_bos_token": 1}"#, nil)
    }
    #expect(
      throws: TokenizationError.invalid(
        path: "bos_token", problem: "is '<s>', which is not in the vocabulary")
    ) {
      try ids("llama3", #"{"add_bos_token": true, "bos_token": "<s>"}"#, nil)
    }
    #expect(throws: TokenizationError.wrongType(path: "tokenizer_class", expected: "a string")) {
      try ids("llama3", #"{"tokenizer_class": []}"#, nil)
    }
    let error = TokenizationError.malformedJSON(
      offset: 1, problem: "the text ends where a value should begin")
    #expect(throws: error) { try ids("llama3", "[", nil) }
    #expect(
      error.description
        == "tokenizer.json: the text ends where a value should begin at byte 1; is the file complete?"
    )
  }
}
