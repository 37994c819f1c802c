// SPDX-License-Identifier: Apache-2.0

/// What a checkpoint has to make a tokenizer from.
public enum TokenizerSource: Sendable, Equatable {
  /// The bytes of a `tokenizer.json`.
  case json([UInt8])
  /// The vocabulary in a GGUF file's metadata.
  case gguf(GGUFVocabulary)
}
