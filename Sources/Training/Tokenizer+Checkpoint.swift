// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import FoundationEssentials
public import Tokenization

extension Tokenizer {
  /// The tokenizer that belongs to `checkpoint`, as transformers would make it.
  ///
  /// - Throws: a `CheckpointError` when there is none, a `TokenizationError` when it is of an
  ///   unknown type or damaged, `unusableFile` when `tokenizer_config.json` cannot be read.
  public init(checkpoint: Checkpoint) throws {
    switch try checkpoint.tokenizerSource() {
    case .json(let bytes):
      let path = checkpoint.path + "/tokenizer_config.json"
      let isThere = FileManager.default.fileExists(atPath: path)
      try self.init(
        json: bytes, configuration: isThere ? try fileBytes(path) : nil,
        modelType: checkpoint.configuration.family.rawValue)
    case .gguf(let vocabulary):
      try self.init(
        tokens: vocabulary.tokens, types: vocabulary.types, merges: vocabulary.merges,
        model: vocabulary.model, pre: vocabulary.pre, begin: vocabulary.begin,
        end: vocabulary.end, unknown: vocabulary.unknown, addBegin: vocabulary.addBegin,
        addEnd: vocabulary.addEnd)
    }
  }
}
