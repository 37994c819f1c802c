// SPDX-License-Identifier: Apache-2.0

extension PEFTAdapter {
  /// Reads the adapter in `folder`, as written by PEFT's `save_pretrained` or by `write(to:)`.
  ///
  /// - Throws: for anything but a plain LoRA of linear layers with finite weights.
  public init(folder: String) throws(CheckpointError) {
    let configuration = try PEFTConfiguration(path: "\(folder)/adapter_config.json")
    let path = "\(folder)/adapter_model.safetensors"
    guard FileContents.exists(path) || !FileContents.exists("\(folder)/adapter_model.bin") else {
      throw .unsupported(
        path: "\(folder)/adapter_model.bin", what: "a pickled adapter",
        supported: "adapter_model.safetensors; save it with safe_serialization=True")
    }
    let file = try SafetensorsFile(path: path)
    var factors: [String: (a: String?, b: String?)] = [:]
    for key in file.tensors.keys.sorted() {
      guard let place = FactorPlace(key: key) else {
        throw .unsupported(
          path: path, what: "the tensor '\(key)'", supported: "lora_A and lora_B of linear layers")
      }
      guard try configuration.targets.contain(place.module) else {
        throw .malformed(
          path: path, what: "'\(key)' belongs to no module of target_modules in adapter_config.json"
        )
      }
      let slot = place.isA ? \(a: String?, b: String?).a : \(a: String?, b: String?).b
      guard factors[place.module, default: (nil, nil)][keyPath: slot] == nil else {
        throw .malformed(path: path, what: "'\(key)' is the second of its kind")
      }
      factors[place.module, default: (nil, nil)][keyPath: slot] = key
    }
    var modules: [Module] = []
    for (name, keys) in factors.sorted(by: { $0.key < $1.key }) {
      guard let a = keys.a, let b = keys.b else {
        throw .missing(path: path, what: "\(keys.a == nil ? "lora_A" : "lora_B") for '\(name)'")
      }
      modules.append(try Module(name: name, a: a, b: b, file: file, configuration))
    }
    self.init(
      modules: modules, baseModel: configuration.baseModel, fanInFanOut: configuration.fanInFanOut)
  }
}

/// Which factor of which module a tensor of an adapter file is.
private struct FactorPlace {
  let module: String
  let isA: Bool

  /// Reads `base_model.model.MODULE.lora_A.weight`; the prefix may be missing, and there may be
  /// the adapter's name before `weight`.
  init?(key: String) {
    let prefix = "base_model.model."
    var parts = (key.hasPrefix(prefix) ? key.dropFirst(prefix.count) : key[...])
      .split(separator: ".", omittingEmptySubsequences: false)
    guard parts.popLast() == "weight", let last = parts.popLast() else { return nil }
    var factor = last
    if factor != "lora_A", factor != "lora_B" {
      guard let before = parts.popLast() else { return nil }
      factor = before
    }
    guard factor == "lora_A" || factor == "lora_B", !parts.isEmpty,
      parts.allSatisfy({ !$0.isEmpty })
    else { return nil }
    module = parts.joined(separator: ".")
    isA = factor == "lora_A"
  }
}

extension PEFTAdapter.Module {
  /// Reads the two factors and checks them against each other and against the configuration.
  fileprivate init(
    name: String, a: String, b: String, file: SafetensorsFile, _ configuration: PEFTConfiguration
  ) throws(CheckpointError) {
    let rank = try configuration.rank(of: name)
    guard let shapeOfA = file.tensors[a]?.shape, shapeOfA.count == 2, shapeOfA[0] == rank,
      rank > 0, shapeOfA[1] > 0
    else {
      throw .malformed(
        path: file.contents.path,
        what: "'\(a)' has shape \(file.tensors[a]?.shape ?? []), adapter_config.json says "
          + "rank \(rank)")
    }
    guard let shapeOfB = file.tensors[b]?.shape, shapeOfB.count == 2, shapeOfB[1] == rank,
      shapeOfB[0] > 0
    else {
      throw .malformed(
        path: file.contents.path,
        what: "'\(b)' has shape \(file.tensors[b]?.shape ?? []), adapter_config.json says "
          + "rank \(rank)")
    }
    let scale = try configuration.scale(of: name)
    guard scale.isFinite else {
      throw .malformed(path: file.contents.path, what: "the scale of '\(name)' is \(scale)")
    }
    self.init(
      name: name, rank: rank, scale: scale, a: try Self.finite(a, of: file),
      b: try Self.finite(b, of: file), inputWidth: shapeOfA[1], outputWidth: shapeOfB[0])
  }

  private static func finite(
    _ name: String, of file: SafetensorsFile
  ) throws(CheckpointError) -> [Float] {
    guard let info = file.tensors[name] else {
      throw .missing(path: file.contents.path, what: "tensor '\(name)'")
    }
    return try StoredTensor(file: file.contents, info: info).floats(named: name)
  }
}
