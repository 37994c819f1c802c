// SPDX-License-Identifier: Apache-2.0

/// Turns text into the tokens of a language model, and back: byte-level byte-pair encoding.
///
/// The ids are those of Hugging Face's tokenizers library for the same `tokenizer.json`. In order:
/// added tokens are found in the text; what lies between is normalized, cut into pieces and merged;
/// special tokens are set around the whole.
public struct Tokenizer: Sendable {
  /// One more than the largest id; what a model's embedding needs at least.
  public let vocabularySize: Int

  private let parts: Parts
  /// Tokens found before, and after normalization.
  private let unnormalizedTokens: AddedTokens
  private let normalizedTokens: AddedTokens

  /// What a description of a tokenizer comes down to.
  struct Parts: Sendable {
    /// Model and added tokens together.
    var vocabulary: Vocabulary
    var unnormalizedTokens: [AddedToken]
    var normalizedTokens: [AddedToken]
    /// The ids that are left out of text on demand.
    var specialIDs: Set<Int32>
    var normalizer: Normalizer
    var preTokenizer: PreTokenizer
    var encoder: BytePairEncoder
    var template: SpecialTokenTemplate
    var decoder: TokenDecoder
  }

  /// The tokenizer that a `tokenizer.json` describes.
  ///
  /// - Throws: `TokenizationError` for bytes that are no such file, and for tokenizers other than
  ///   byte-level BPE, each by name.
  public init(json: [UInt8]) throws(TokenizationError) {
    self.init(try TokenizerFile(json).parts())
  }

  /// The tokenizer that transformers makes of a model's folder.
  ///
  /// Its `AutoTokenizer` does not always follow `tokenizer.json`: it replaces parts of it by those
  /// of the class that `tokenizer_config.json` names, or that goes with the type of the model.
  /// - Parameters:
  ///   - json: the bytes of `tokenizer.json`.
  ///   - configuration: the bytes of `tokenizer_config.json`, nil if there is none.
  ///   - modelType: the `model_type` of `config.json`.
  public init(
    json: [UInt8], configuration: [UInt8]?, modelType: String?
  ) throws(TokenizationError) {
    let configuration = try TokenizerConfiguration(configuration, modelType: modelType)
    self.init(try configuration.applied(to: TokenizerFile(json).parts()))
  }

  /// The tokenizer that a GGUF file's keys under `tokenizer.ggml` describe: `tokens`, `token_type`,
  /// `merges`, `model`, `pre`, and the ids of special tokens.
  ///
  /// - Parameters:
  ///   - begin: set before every text if `addBegin`.
  ///   - end: set after every text if `addEnd`.
  ///   - unknown: named by the format, and without use: the bytes cover every text.
  public init(
    tokens: [String], types: [Int32], merges: [String], model: String, pre: String, begin: Int?,
    end: Int?, unknown: Int?, addBegin: Bool, addEnd: Bool
  ) throws(TokenizationError) {
    let source = GGUFTokenizer(
      tokens: tokens, types: types, merges: merges, model: model, pre: pre, begin: begin, end: end)
    self.init(try source.parts(addBegin: addBegin, addEnd: addEnd))
  }

  private init(_ parts: Parts) {
    self.parts = parts
    vocabularySize = parts.vocabulary.size
    unnormalizedTokens = AddedTokens(parts.unnormalizedTokens)
    normalizedTokens = AddedTokens(parts.normalizedTokens)
  }

  /// The tokens of `text`.
  ///
  /// Special tokens that `text` spells out become themselves; `addSpecialTokens` says whether those
  /// that the model wants at the beginning and the end are added.
  /// - Complexity: O(n log n) in the length of the text.
  public func ids(of text: String, addSpecialTokens: Bool = true) -> [Int32] {
    var text = text
    let ids = text.withUTF8(ids(of:))
    return addSpecialTokens ? parts.template.applied(to: ids) : ids
  }

  /// The text of `ids`.
  ///
  /// Bytes that are not UTF-8, as when `ids` begin or end within a character, become U+FFFD. Ids
  /// that no token has are left out.
  public func text(of ids: [Int32], skipSpecialTokens: Bool = false) -> String {
    let tokens = ids.lazy
      .filter { !(skipSpecialTokens && parts.specialIDs.contains($0)) }
      .compactMap { parts.vocabulary.bytes(of: $0) }
    return parts.decoder.text(of: Array(tokens))
  }

  private func ids(of text: UnsafeBufferPointer<UInt8>) -> [Int32] {
    var ids: [Int32] = []
    ids.reserveCapacity(text.count / 4)
    var workspace = BytePairEncoder.Workspace()
    for segment in unnormalizedTokens.segments(of: text) {
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range):
        let stretch = UnsafeBufferPointer(rebasing: text[range])
        parts.normalizer.withNormalized(stretch) { appendIDs(ofNormalized: $0, &workspace, &ids) }
      }
    }
    return ids
  }

  private func appendIDs(
    ofNormalized text: UnsafeBufferPointer<UInt8>, _ workspace: inout BytePairEncoder.Workspace,
    _ ids: inout [Int32]
  ) {
    for segment in normalizedTokens.segments(of: text) {
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range):
        parts.preTokenizer.forEachPiece(of: UnsafeBufferPointer(rebasing: text[range])) { piece in
          parts.encoder.encode(piece, in: &workspace, to: &ids)
        }
      }
    }
  }
}
