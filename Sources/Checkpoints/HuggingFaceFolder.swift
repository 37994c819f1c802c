// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// The folder that transformers' `save_pretrained` writes.
enum HuggingFaceFolder {
  /// The tensors of the folder, from `model.safetensors` or from the shards that
  /// `model.safetensors.index.json` names.
  static func tensors(in folder: String) throws(CheckpointError) -> [String: StoredTensor] {
    let single = "\(folder)/model.safetensors"
    if FileContents.exists(single) { return storedTensors(try SafetensorsFile(path: single)) }
    let index = "\(folder)/model.safetensors.index.json"
    guard FileContents.exists(index) else {
      throw .missing(
        path: folder,
        what: "model.safetensors and no model.safetensors.index.json; give a folder written by "
          + "save_pretrained, or a .gguf file")
    }
    return try shardedTensors(in: folder, index: index)
  }

  /// Settles what a tied head is, as transformers 5 does: a head that is stored as well, and with
  /// other values, is not tied after all; an embedding that is not stored is the head.
  static func settleHead(
    _ configuration: inout ModelConfiguration, _ tensors: inout [String: StoredTensor]
  ) {
    let architecture = configuration.architecture
    let (embeddingName, headName) = (
      "\(architecture.embedding).weight", "\(architecture.head).weight"
    )
    guard configuration.tiedHead, let head = tensors[headName] else { return }
    guard let embedding = tensors[embeddingName] else {
      tensors[embeddingName] = head
      return
    }
    configuration.tiedHead = embedding.isStored(as: head)
  }

  /// Gives tensors their whole names where the folder holds a model that was saved without its head,
  /// as the first GPT-2s were: those lack the prefix, as in `h.0.ln_1.weight`.
  static func completeNames(
    of tensors: [String: StoredTensor], _ configuration: ModelConfiguration
  ) -> [String: StoredTensor] {
    let architecture = configuration.architecture
    let whole = "\(architecture.embedding).weight"
    guard tensors[whole] == nil, tensors[String(whole.dropFirst(architecture.prefix.count))] != nil
    else { return tensors }
    return Dictionary(
      uniqueKeysWithValues: tensors.map { (architecture.prefix + $0, $1) })
  }

  /// The bytes of `tokenizer.json`.
  static func tokenizer(in folder: String) throws(CheckpointError) -> TokenizerSource {
    let path = "\(folder)/tokenizer.json"
    guard FileContents.exists(path) else {
      throw .missing(
        path: folder,
        what: "tokenizer.json; save the tokenizer with transformers' fast tokenizer class")
    }
    return .json(try FileContents.read(path, limit: 256 << 20))
  }

  private static func storedTensors(_ file: SafetensorsFile) -> [String: StoredTensor] {
    file.tensors.mapValues { StoredTensor(file: file.contents, info: $0) }
  }

  private static func shardedTensors(
    in folder: String, index: String
  ) throws(CheckpointError) -> [String: StoredTensor] {
    guard let map = try JSONValue(path: index)["weight_map"]?.members else {
      throw .missing(path: index, what: "weight_map")
    }
    var shards: [String: [String: StoredTensor]] = [:]
    var tensors: [String: StoredTensor] = [:]
    for member in map {
      guard let shard = member.value.text, isPlainName(shard) else {
        throw .malformed(
          path: index, what: "the place of tensor '\(member.name)' is no file of this folder")
      }
      if shards[shard] == nil {
        shards[shard] = storedTensors(try SafetensorsFile(path: "\(folder)/\(shard)"))
      }
      guard let tensor = shards[shard]?[member.name] else {
        throw .missing(path: "\(folder)/\(shard)", what: "tensor '\(member.name)' of the index")
      }
      tensors[member.name] = tensor
    }
    return tensors
  }

  /// Whether `name` names a file of the folder itself: an index may not lead out of it.
  private static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
      && !name.utf8.contains(0)
  }
}
