// SPDX-License-Identifier: Apache-2.0

/// The vocabulary in the metadata of a GGUF file (`tokenizer.ggml.*`), as it stands there.
public struct GGUFVocabulary: Sendable, Equatable {
  /// The kind of tokenizer: `gpt2` for byte-level BPE, `llama` for SentencePiece.
  public var model: String
  /// The name of the pre-tokenizer's pattern, such as `smollm`; empty if the file has none.
  public var pre: String
  /// The text of each token.
  public var tokens: [String]
  /// The kind of each token (1 normal, 3 control, 4 user-defined, 6 byte); empty or one a token.
  public var types: [Int32]
  /// The merges, first rank first, each two pieces with a space between.
  public var merges: [String]
  /// The token that begins a text.
  public var begin: Int?
  /// The token that ends a text.
  public var end: Int?
  /// The token for what has no token.
  public var unknown: Int?
  /// The token for filling up.
  public var padding: Int?
  /// Whether texts are begun with `begin`.
  public var addBegin: Bool
  /// Whether texts are ended with `end`.
  public var addEnd: Bool
  /// The Jinja template of conversations.
  public var chatTemplate: String?
}

extension GGUFVocabulary {
  /// The vocabulary of `file`.
  init(_ file: GGUFFile) throws(CheckpointError) {
    guard let model = try file.text("tokenizer.ggml.model") else {
      throw file.missing("tokenizer.ggml.model")
    }
    guard let tokens = try file.texts("tokenizer.ggml.tokens") else {
      throw file.missing("tokenizer.ggml.tokens")
    }
    func token(_ name: String) throws(CheckpointError) -> Int? {
      let key = "tokenizer.ggml.\(name)_token_id"
      guard let token = try file.integer(key) else { return nil }
      guard tokens.indices.contains(token) else {
        throw .malformed(
          path: file.contents.path, what: "'\(key)' is \(token), there are \(tokens.count) tokens")
      }
      return token
    }
    self.model = model
    self.tokens = tokens
    pre = try file.text("tokenizer.ggml.pre") ?? ""
    types = try file.integers("tokenizer.ggml.token_type") ?? []
    guard types.isEmpty || types.count == tokens.count else {
      throw .malformed(
        path: file.contents.path, what: "\(types.count) token types for \(tokens.count) tokens")
    }
    merges = try file.texts("tokenizer.ggml.merges") ?? []
    begin = try token("bos")
    end = try token("eos")
    unknown = try token("unknown")
    padding = try token("padding")
    // Files that do not say leave it to the kind of tokenizer, as llama.cpp does.
    let beginsByItself = model == "llama" || ["llama3", "llama-v3", "llama-bpe"].contains(pre)
    addBegin = try file.truth("tokenizer.ggml.add_bos_token") ?? beginsByItself
    addEnd = try file.truth("tokenizer.ggml.add_eos_token") ?? false
    chatTemplate = try file.text("tokenizer.chat_template")
  }
}
