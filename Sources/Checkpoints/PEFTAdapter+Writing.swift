// SPDX-License-Identifier: Apache-2.0
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
    try makeAdapterFolder(folder)
    try SafetensorsFile.write(
      tensors: tensors, metadata: ["format": "pt"], to: "\(folder)/adapter_model.safetensors")
    try configuration(rank: rank, alpha: alpha ?? rank).write(asAdapterOf: folder)
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
      ("target_modules", PEFTTargets.written(modules.map(\.name))),
      ("task_type", .string("CAUSAL_LM")),
      ("use_dora", .boolean(false)),
      ("use_rslora", .boolean(false)),
    ]
    return .object(members.map { JSONValue.Member(name: $0, value: $1) })
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
