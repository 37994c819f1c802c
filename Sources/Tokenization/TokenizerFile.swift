// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// Reads a `tokenizer.json`, the format of Hugging Face's tokenizers library.
struct TokenizerFile {
  private let root: JSONNode

  /// A file from its bytes.
  init(_ bytes: [UInt8]) throws(TokenizationError) {
    root = try JSONNode.parse(bytes)
  }

  /// What the file describes; refuses what is not byte-level BPE.
  func parts() throws(TokenizationError) -> Tokenizer.Parts {
    let model = try root.required("model")
    try refuseForeignModel(model)
    let preTokenizer = try PreTokenizerReader.read(try root.optional("pre_tokenizer"))
    let normalizer = try normalizer(try root.optional("normalizer"))
    let encoder = try encoder(model)
    var added = AddedTokenReader(vocabulary: encoder.vocabulary, normalizer: normalizer)
    for node in try root.optional("added_tokens")?.elements() ?? [] {
      try added.add(try addedToken(node), path: node.path)
    }
    return Tokenizer.Parts(
      vocabulary: added.vocabulary, unnormalizedTokens: added.tokens(normalized: false),
      normalizedTokens: added.tokens(normalized: true), specialIDs: added.specialIDs,
      normalizer: normalizer, preTokenizer: preTokenizer, encoder: encoder,
      template: try template(try root.optional("post_processor"), added.vocabulary),
      decoder: try decoder(try root.optional("decoder")))
  }

  /// Says what a model is before anything else about it: that is what a person can act on.
  private func refuseForeignModel(_ model: JSONNode) throws(TokenizationError) {
    // The first files of GPT-2 do not name their type.
    if let type = try model.optional("type"), try type.string() != "BPE" {
      throw .unsupported(
        path: type.path, found: try type.string(), supported: "a byte-level BPE tokenizer")
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = try model.optional(key), try affix.string() != "" {
        throw .unsupported(path: affix.path, found: try affix.string(), supported: "none")
      }
    }
    if try model.bool("byte_fallback", else: false) {
      throw .unsupported(
        path: "model.byte_fallback", found: "true", supported: "a byte-level BPE tokenizer")
    }
    if let dropout = try model.optional("dropout") {
      throw .unsupported(path: dropout.path, found: "a number", supported: "null there")
    }
  }

  private func encoder(_ model: JSONNode) throws(TokenizationError) -> BytePairEncoder {
    var reader = ModelReader()
    for member in try model.required("vocab").members() {
      guard case .integer(let id) = member.value else {
        throw .wrongType(path: "model.vocab['\(member.name)']", expected: "a whole number")
      }
      try reader.addToken(member.name, id: id, path: "model.vocab")
    }
    try readMerges(try model.required("merges"), into: &reader)
    return reader.encoder(
      prefersWholePieces: try model.bool("ignore_merges", else: false),
      unknown: try unknown(model, reader))
  }

  private func readMerges(
    _ node: JSONNode, into reader: inout ModelReader
  ) throws(TokenizationError) {
    let values = try node.values()
    reader.beginMerges(count: values.count)
    for (index, value) in values.enumerated() {
      switch value {
      case .string(let text) where text.hasPrefix("#version"): continue
      case .string(let text): try reader.addMerge(text, path: "\(node.path)[\(index)]")
      case .array(let pair):
        guard pair.count == 2, case .string(let left) = pair[0], case .string(let right) = pair[1]
        else { fallthrough }
        try reader.addMerge(left, right, path: "\(node.path)[\(index)]")
      default:
        throw .wrongType(
          path: "\(node.path)[\(index)]", expected: "'left right' or ['left', 'right']")
      }
    }
  }

  private func unknown(
    _ model: JSONNode, _ reader: ModelReader
  ) throws(TokenizationError) -> BytePairEncoder.Unknown? {
    guard let node = try model.optional("unk_token") else { return nil }
    let content = try node.string()
    if let id = reader.vocabulary.id(of: content) {
      let isFused = try model.bool("fuse_unk", else: false)
      return BytePairEncoder.Unknown(token: id, isFused: isFused)
    }
    guard !reader.lacksBytes else {
      throw .invalid(path: node.path, problem: "is '\(content)', which is not in the vocabulary")
    }
    return nil
  }

  private func addedToken(_ node: JSONNode) throws(TokenizationError) -> AddedTokenReader.Entry {
    let isSpecial = try node.bool("special", else: false)
    return AddedTokenReader.Entry(
      id: try node.required("id").integer(), content: try node.required("content").string(),
      isSingleWord: try node.bool("single_word", else: false),
      stripsLeft: try node.bool("lstrip", else: false),
      stripsRight: try node.bool("rstrip", else: false),
      isNormalized: try node.bool("normalized", else: !isSpecial), isSpecial: isSpecial)
  }

  private func normalizer(_ node: JSONNode?) throws(TokenizationError) -> Normalizer {
    guard let node else { return .identity }
    let type = try node.required("type")
    switch try type.string() {
    case "NFC": return .canonicalComposition
    case "Sequence":
      var result = Normalizer.identity
      for element in try node.required("normalizers").elements() {
        if try normalizer(element) == .canonicalComposition { result = .canonicalComposition }
      }
      return result
    case let other:
      throw .unsupported(path: type.path, found: other, supported: "the normalizer NFC or none")
    }
  }

  private func template(
    _ node: JSONNode?, _ vocabulary: Vocabulary
  ) throws(TokenizationError) -> SpecialTokenTemplate {
    guard let node else { return .none }
    let type = try node.required("type")
    switch try type.string() {
    case "ByteLevel": return .none
    case "TemplateProcessing": return try singleTemplate(node, vocabulary)
    case "Sequence":
      var result = SpecialTokenTemplate.none
      for element in try node.required("processors").elements() {
        result = try template(element, vocabulary).wrapped(around: result)
      }
      return result
    case let other:
      throw .unsupported(
        path: type.path, found: other, supported: "the post-processor TemplateProcessing or none")
    }
  }

  private func singleTemplate(
    _ node: JSONNode, _ vocabulary: Vocabulary
  ) throws(TokenizationError) -> SpecialTokenTemplate {
    var parts: [SpecialTokenTemplate.Part] = []
    for piece in try node.required("single").elements() {
      if let sequence = try piece.optional("Sequence") {
        let id = try sequence.required("id")
        guard try id.string() == "A" else {
          throw .invalid(path: id.path, problem: "must be 'A': there is one text only")
        }
        parts.append(.text)
      } else {
        let name = try piece.required("SpecialToken").required("id").string()
        let special = try node.required("special_tokens").required(name).required("ids")
        var ids: [Int32] = []
        for id in try special.elements() {
          guard let token = Int32(exactly: try id.integer()), vocabulary.bytes(of: token) != nil
          else { throw .invalid(path: id.path, problem: "is the id of no token") }
          ids.append(token)
        }
        parts.append(.special(ids))
      }
    }
    return SpecialTokenTemplate(parts: parts)
  }

  private func decoder(_ node: JSONNode?) throws(TokenizationError) -> TokenDecoder {
    guard let node else { return .spaced }
    let type = try node.required("type")
    switch try type.string() {
    case "ByteLevel": return .byteLevel
    case "Fuse": return .concatenated
    case "Sequence":
      let decoders = try node.required("decoders")
      switch try decoders.elements().map(decoder) {
      case [.byteLevel], [.byteLevel, .concatenated]: return .byteLevel
      case [.concatenated], []: return .concatenated
      case _:
        throw .unsupported(
          path: decoders.path, found: "an unusual sequence", supported: "ByteLevel, then Fuse")
      }
    case let other:
      throw .unsupported(
        path: type.path, found: other, supported: "the decoder ByteLevel, Fuse or none")
    }
  }
}
