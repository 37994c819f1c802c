// SPDX-License-Identifier: Apache-2.0

/// What a checkpoint has to make a tokenizer from.
public enum TokenizerSource: Sendable, Equatable {
  /// The bytes of a `tokenizer.json`.
  case json([UInt8])
  /// The vocabulary in a GGUF file's metadata.
  case gguf(GGUFVocabulary)
}

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
