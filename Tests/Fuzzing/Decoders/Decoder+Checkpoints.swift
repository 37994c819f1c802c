// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Tokenization
internal import Training

func decodeSafetensors(_ bytes: [UInt8]) {
  guard let file = accepted({ try SafetensorsFile(bytes: bytes) }) else { return }
  for (name, info) in file.tensors {
    _ = accepted { try file.bytes(of: name) }
    guard let values = accepted({ try file.floats(of: name) }) else { continue }
    precondition(values.count == info.count, "\(values.count) values of \(info.count)")
  }
}

func decodeGGUF(_ bytes: [UInt8]) {
  withFile(bytes, useCheckpoint)
}

/// The input is config.json, model.safetensors, and the index of the shards if there is a third.
func decodeCheckpoint(_ bytes: [UInt8]) {
  let names = ["config.json", "model.safetensors", "model.safetensors.index.json"]
  var input = Array(zip(names, files(of: bytes, limit: 3)))
  if input.count == 3 { input[1].0 = "model-00001-of-00001.safetensors" }
  withFolder(input.map { (name: $0.0, bytes: $0.1) }, useCheckpoint)
}

private func useCheckpoint(_ path: String) {
  guard let checkpoint = accepted({ try Checkpoint(path: path) }) else { return }
  for name in checkpoint.tensorNames {
    _ = accepted { try checkpoint.floats(of: name) }
  }
  _ = checkpoint.digest()
  if let tokenizer = accepted({ try Tokenizer(checkpoint: checkpoint) }) { use(tokenizer) }
}

/// The input is adapter_config.json and adapter_model.safetensors.
func decodeAdapter(_ bytes: [UInt8]) {
  let names = ["adapter_config.json", "adapter_model.safetensors"]
  let input = zip(names, files(of: bytes, limit: 2)).map { (name: $0.0, bytes: $0.1) }
  withFolder(input) { folder in
    switch accepted({ try AdapterFolder(reading: folder) }) {
    case .lora(let adapter):
      for module in adapter.modules {
        precondition(module.scale.isFinite, "the scale of \(module.name) is \(module.scale)")
      }
    case .weights(let adapter):
      for module in adapter.modules {
        precondition(module.values.allSatisfy(\.isFinite), "the values of \(module.name)")
      }
    case nil: break
    }
  }
}

/// The input is tokenizer.json, and tokenizer_config.json if there is a second.
func decodeTokenizer(_ bytes: [UInt8]) {
  let input = files(of: bytes, limit: 2)
  let configuration = input.count == 2 ? input[1] : nil
  for modelType in [nil, "llama"] as [String?] {
    let tokenizer = accepted {
      try Tokenizer(json: input[0], configuration: configuration, modelType: modelType)
    }
    if let tokenizer { use(tokenizer) }
  }
}

private func use(_ tokenizer: Tokenizer) {
  let text = " Hello, <s>wörld</s>!\r\n\n  12345 it's\t日本語 🙂 e\u{301} \u{0}aaaaaaaaaaaaaaaab"
  let ids = tokenizer.ids(of: text)
  precondition(
    ids.allSatisfy { (0..<Int32(clamping: tokenizer.vocabularySize)).contains($0) }, "\(ids)")
  _ = tokenizer.text(of: ids + [-1, .max], skipSpecialTokens: true)
}
