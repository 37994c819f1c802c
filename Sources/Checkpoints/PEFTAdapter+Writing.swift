// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import JSON

extension PEFTAdapter {
  /// Writes the adapter to `folder`, which is made if need be, so that PEFT loads it.
  ///
  /// One rank and one alpha hold for all modules, since other readers of such folders know no
  /// patterns: smaller ranks are filled up with zeros, and where no whole alpha gives every
  /// module its scale, the scale goes into B.
  ///
  /// - Precondition: there are modules, and no two have the same name.
  /// - Throws: `unwritable`; each file is then as it was before.
  public func write(to folder: String) throws(CheckpointError) {
    precondition(!modules.isEmpty, "an adapter without modules")
    let rank = modules.map(\.rank).max() ?? 1
    let alpha = sharedAlpha(rank: rank)
    var tensors: [(name: String, shape: [Int], values: [Float])] = []
    for module in modules {
      let name = "base_model.model.\(module.name)"
      let factor = alpha == nil ? module.scale : 1
      tensors.append(
        ("\(name).lora_A.weight", [rank, module.inputWidth], module.paddedA(rank: rank)))
      tensors.append(
        (
          "\(name).lora_B.weight", [module.outputWidth, rank],
          module.paddedB(rank: rank, times: factor)
        ))
    }
    do throws(FileError) {
      try makeFolder(folder)
    } catch {
      throw .unwritable(path: folder, reason: error.reason)
    }
    try SafetensorsFile.write(
      tensors: tensors, metadata: ["format": "pt"], to: "\(folder)/adapter_model.safetensors")
    let configuration = configuration(rank: rank, alpha: alpha ?? rank)
    let text = Array((configuration.indentedText + "\n").utf8)
    try writing("\(folder)/adapter_config.json") { (file) throws(FileError) in
      try file.write(text)
    }
  }

  /// The whole alpha with which `alpha / rank` is every module's scale, if there is one.
  private func sharedAlpha(rank: Int) -> Int? {
    let alpha = (Double(modules[0].scale) * Double(rank)).rounded()
    guard alpha >= 1, alpha < 1e9 else { return nil }
    let scale = Float(alpha / Double(rank))
    return modules.allSatisfy { $0.scale == scale } ? Int(alpha) : nil
  }

  private func configuration(rank: Int, alpha: Int) -> JSONValue {
    let members: [(String, JSONValue)] = [
      ("alpha_pattern", .object([])),
      ("base_model_name_or_path", baseModel.map { .string($0) } ?? .null),
      ("bias", .string("none")),
      ("fan_in_fan_out", .boolean(fanInFanOut)),
      ("inference_mode", .boolean(true)),
      ("init_lora_weights", .boolean(true)),
      ("lora_alpha", .integer(alpha)),
      ("lora_dropout", .number(0)),
      ("modules_to_save", .null),
      ("peft_type", .string("LORA")),
      ("r", .integer(rank)),
      ("rank_pattern", .object([])),
      ("target_modules", .array(targetModules.map { .string($0) })),
      ("task_type", .string("CAUSAL_LM")),
      ("use_dora", .boolean(false)),
      ("use_rslora", .boolean(false)),
    ]
    return .object(members.map { JSONValue.Member(name: $0, value: $1) })
  }

  /// The modules' names inside their layers where every layer from the first on has the same ones;
  /// otherwise full paths, since PEFT would adapt the other layers too.
  private var targetModules: [String] {
    let places = modules.map { LayerPlace($0.name) }
    let paths = Set(places.map(\.path))
    let layers = Dictionary(grouping: places, by: \.layer)
    let isUniform =
      layers.values.allSatisfy { Set($0.map(\.path)) == paths }
      && Set(layers.keys) == Set((0..<layers.count).map { "\(places[0].list).\($0)" })
    return isUniform
      ? Set(paths.map { Self.shortName(of: $0, among: paths) }).sorted()
      : modules.map(\.name).sorted()
  }

  /// The last part of a path, unless PEFT would then also adapt what is called the same and is not
  /// among `paths`.
  private static func shortName(of path: String, among paths: Set<String>) -> String {
    guard let last = path.split(separator: ".").last else { return path }
    let homonyms = Architecture.all.flatMap(\.linearLayers).map(\.path)
      .filter { $0.hasSuffix(".\(last)") && !paths.contains($0) }
    return homonyms.isEmpty ? String(last) : path
  }
}

/// Where a module is: `model.layers.3.self_attn.q_proj` is `self_attn.q_proj` of `model.layers`' 3.
private struct LayerPlace {
  /// The list of layers.
  let list: String
  /// The list with the layer's number.
  let layer: String
  /// The path inside the layer.
  let path: String

  init(_ name: String) {
    let parts = name.split(separator: ".")
    let number = parts.firstIndex { Int($0) != nil } ?? parts.count - 1
    list = parts[..<number].joined(separator: ".")
    layer = parts[...number].joined(separator: ".")
    path = parts[(number + 1)...].joined(separator: ".")
  }
}

extension PEFTAdapter.Module {
  fileprivate func paddedA(rank wanted: Int) -> [Float] {
    a + [Float](repeating: 0, count: (wanted - rank) * inputWidth)
  }

  fileprivate func paddedB(rank wanted: Int, times factor: Float) -> [Float] {
    if wanted == rank && factor == 1 { return b }
    var padded = [Float](repeating: 0, count: outputWidth * wanted)
    for row in 0..<outputWidth {
      for column in 0..<rank {
        padded[row * wanted + column] = b[row * rank + column] * factor
      }
    }
    return padded
  }
}
