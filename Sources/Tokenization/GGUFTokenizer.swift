// SPDX-License-Identifier: Apache-2.0

/// Reads the vocabulary of a GGUF file (its keys under `tokenizer.ggml`).
struct GGUFTokenizer {
  let tokens: [String]
  let types: [Int32]
  let merges: [String]
  let model: String
  let pre: String
  let begin: Int?
  let end: Int?

  /// What sets the tokenizers that `pre` names apart.
  private struct Kind {
    var preTokenizer: PreTokenizer
    var normalizer = Normalizer.identity
    var prefersWholePieces = false
  }

  /// The values of `tokenizer.ggml.token_type` that matter here.
  private enum TokenType {
    static let control: Int32 = 3
    static let userDefined: Int32 = 4
  }

  /// What the keys describe, with `begin` and `end` set around every text.
  func parts(addBegin: Bool, addEnd: Bool) throws(TokenizationError) -> Tokenizer.Parts {
    try refuseForeignModel()
    let kind = try kind()
    var reader = ModelReader()
    for (id, token) in tokens.enumerated() {
      try reader.addToken(token, id: id, path: "tokenizer.ggml.tokens")
    }
    reader.beginMerges(count: merges.count)
    for (index, merge) in merges.enumerated() {
      try reader.addMerge(merge, path: "tokenizer.ggml.merges[\(index)]")
    }
    let encoder = reader.encoder(prefersWholePieces: kind.prefersWholePieces, unknown: nil)
    let added = try addedTokens(encoder.vocabulary, kind.normalizer)
    return Tokenizer.Parts(
      vocabulary: added.vocabulary, unnormalizedTokens: added.tokens(normalized: false),
      normalizedTokens: [], specialIDs: added.specialIDs, normalizer: kind.normalizer,
      preTokenizer: kind.preTokenizer,
      encoder: encoder,
      template: SpecialTokenTemplate(
        parts: [
          .special(addBegin ? [try special(begin, "bos")] : []), .text,
          .special(addEnd ? [try special(end, "eos")] : []),
        ]),
      decoder: .byteLevel)
  }

  private func refuseForeignModel() throws(TokenizationError) {
    guard model == "gpt2" else {
      throw .unsupported(
        path: "tokenizer.ggml.model", found: model,
        supported: model == "llama"
          ? "a byte-level BPE tokenizer ('gpt2'), not SentencePiece"
          : "a byte-level BPE tokenizer ('gpt2')")
    }
    guard types.count == tokens.count else {
      throw .invalid(
        path: "tokenizer.ggml.token_type",
        problem: "has \(types.count) entries for \(tokens.count) tokens")
    }
  }

  private func kind() throws(TokenizationError) -> Kind {
    switch pre {
    // SmolLM's own tokenizer cuts out every numeral, too. No merge joins ASCII digits, so that this
    // shows with the likes of "½" only, and there transformers, the standard here, does not.
    case "gpt-2", "default", "smollm":
      Kind(preTokenizer: try PreTokenizerReader.gpt2(addsPrefixSpace: false))
    case "llama-bpe", "llama3", "llama-v3":
      Kind(preTokenizer: try words(digits: #"\p{N}{1,3}"#), prefersWholePieces: true)
    case "qwen2", "deepseek-r1-qwen":
      Kind(preTokenizer: try words(digits: #"\p{N}"#), normalizer: .canonicalComposition)
    default:
      throw .unsupported(
        path: "tokenizer.ggml.pre", found: pre,
        supported: "gpt-2, smollm, llama-bpe or qwen2 there, or the folder of the same model")
    }
  }

  private func words(digits: String) throws(TokenizationError) -> PreTokenizer {
    try PreTokenizerReader.words(digits: digits, addsPrefixSpace: false)
  }

  private func addedTokens(
    _ vocabulary: Vocabulary, _ normalizer: Normalizer
  ) throws(TokenizationError) -> AddedTokenReader {
    var reader = AddedTokenReader(vocabulary: vocabulary, normalizer: normalizer)
    for (id, type) in types.enumerated()
    where type == TokenType.control || type == TokenType.userDefined {
      let isSpecial = type == TokenType.control
      try reader.add(
        AddedTokenReader.Entry(id: id, content: tokens[id], isSpecial: isSpecial),
        path: "tokenizer.ggml.tokens[\(id)]")
    }
    return reader
  }

  private func special(_ id: Int?, _ name: String) throws(TokenizationError) -> Int32 {
    let path = "tokenizer.ggml.\(name)_token_id"
    guard let id else { throw .missing(path: path) }
    guard tokens.indices.contains(id) else {
      throw .invalid(path: path, problem: "is \(id), but there are \(tokens.count) tokens")
    }
    return Int32(id)
  }
}
