// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// Reads a `tokenizer_config.json`, by which transformers changes what `tokenizer.json` says.
///
/// From version 5 on, transformers builds tokenizers of two classes from vocabulary and merges alone,
/// with the class's own normalizer, pre-tokenizer and decoder, whatever the file says of them
/// (transformers 5.23, `AutoTokenizer.from_pretrained`, `TokenizersBackend.convert_to_native_format`).
/// And in any class, `add_bos_token` and `add_eos_token` take the place of the post-processor.
struct TokenizerConfiguration {
  private let root: JSONNode
  private let modelType: String?

  /// The classes that do not take the file at its word.
  private enum RebuildingClass: String {
    case gpt2 = "GPT2Tokenizer"
    case qwen2 = "Qwen2Tokenizer"
  }

  /// A configuration from the bytes of its file, and the `model_type` in the model's `config.json`.
  init(_ bytes: [UInt8]?, modelType: String?) throws(TokenizationError) {
    root = try bytes.map(JSONNode.parse) ?? JSONNode(value: .object([]), path: "")
    self.modelType = modelType
  }

  /// What transformers makes of `parts`, which are the file's.
  func applied(to parts: Tokenizer.Parts) throws(TokenizationError) -> Tokenizer.Parts {
    var parts = parts
    if let rebuildingClass = try rebuildingClass() {
      let addsPrefixSpace = try root.bool("add_prefix_space", else: false)
      switch rebuildingClass {
      case .gpt2:
        parts.normalizer = .identity
        parts.preTokenizer = try PreTokenizerReader.gpt2(addsPrefixSpace: addsPrefixSpace)
      case .qwen2:
        parts.normalizer = .canonicalComposition
        parts.preTokenizer = try PreTokenizerReader.words(
          digits: #"\p{N}"#, addsPrefixSpace: addsPrefixSpace)
      }
      parts.decoder = .byteLevel
      parts.encoder = parts.encoder.withoutExceptions()
    }
    if let template = try template(parts.vocabulary) { parts.template = template }
    return parts
  }

  private func rebuildingClass() throws(TokenizationError) -> RebuildingClass? {
    // Here transformers does not believe the folder.
    if modelType == "qwen2" { return .qwen2 }
    guard var name = try root.optional("tokenizer_class")?.string() else {
      return modelType == "qwen3" ? .qwen2 : nil
    }
    if name.hasSuffix("Fast") { name.removeLast(4) }
    return RebuildingClass(rawValue: name)
  }

  /// The special tokens that the configuration asks for; nil if it does not speak of them.
  private func template(
    _ vocabulary: Vocabulary
  ) throws(TokenizationError) -> SpecialTokenTemplate? {
    let begins = try root.optional("add_bos_token")
    let ends = try root.optional("add_eos_token")
    guard begins != nil || ends != nil else { return nil }
    let begin = try begins?.bool() == true ? try special("bos_token", vocabulary) : []
    let end = try ends?.bool() == true ? try special("eos_token", vocabulary) : []
    return SpecialTokenTemplate(parts: [.special(begin), .text, .special(end)])
  }

  /// The id of a token that is given as its content, or as an object that holds it.
  private func special(
    _ key: String, _ vocabulary: Vocabulary
  ) throws(TokenizationError) -> [Int32] {
    guard let node = try root.optional(key) else { return [] }
    let content: String
    if case .string(let string) = node.value {
      content = string
    } else {
      content = try node.required("content").string()
    }
    guard let id = vocabulary.id(of: content) else {
      throw .invalid(path: key, problem: "is '\(content)', which is not in the vocabulary")
    }
    return [id]
  }
}
