// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// What an `adapter_config.json` says about ranks and scales.
///
/// Keys without effect on plain LoRA are ignored, as PEFT does; those that change what the adapter
/// computes are refused by name.
struct PEFTConfiguration {
  let baseModel: String?
  let fanInFanOut: Bool
  /// Which modules the adapter changes.
  let targets: PEFTTargets
  private let file: ConfigurationFile
  private let rank: Int
  private let alpha: Double
  private let scalesByRoot: Bool
  private let rankPattern: [(pattern: ModulePattern, rank: Int)]
  private let alphaPattern: [(pattern: ModulePattern, alpha: Double)]

  /// Reads and checks the file at `path`.
  init(path: String) throws(CheckpointError) {
    file = ConfigurationFile(path: path, document: try JSONValue(path: path))
    guard file.document.members != nil else {
      throw .malformed(path: path, what: "its JSON is no object")
    }
    try Self.refuseUnsupported(file)
    targets = PEFTTargets(file)
    rank = try file.integer("r", default: 8)
    alpha = try file.number("lora_alpha", default: 8)
    scalesByRoot = try file.truth("use_rslora", default: false)
    fanInFanOut = try file.truth("fan_in_fan_out", default: false)
    let baseModel = try file.text("base_model_name_or_path", default: "")
    self.baseModel = baseModel.isEmpty ? nil : baseModel
    var ranks: [(ModulePattern, Int)] = []
    for member in try file.object("rank_pattern")?.document.members ?? [] {
      guard let rank = member.value.wholeNumber else {
        throw .malformed(path: path, what: "rank_pattern '\(member.name)' is no whole number")
      }
      ranks.append((try ModulePattern(key: member.name, of: file), rank))
    }
    rankPattern = ranks
    var alphas: [(ModulePattern, Double)] = []
    for member in try file.object("alpha_pattern")?.document.members ?? [] {
      guard let alpha = member.value.double else {
        throw .malformed(path: path, what: "alpha_pattern '\(member.name)' is no number")
      }
      alphas.append((try ModulePattern(key: member.name, of: file), alpha))
    }
    alphaPattern = alphas
  }

  /// The rank of the module called `name`: of the first pattern that matches, or the general one.
  func rank(of name: String) throws(CheckpointError) -> Int {
    for (pattern, rank) in rankPattern {
      if try pattern.matches(name, of: file) { return rank }
    }
    return rank
  }

  /// What the product of the factors of the module called `name` is multiplied with.
  func scale(of name: String) throws(CheckpointError) -> Float {
    let rank = Double(try rank(of: name))
    let alpha = try alpha(of: name)
    return Float(alpha / (scalesByRoot ? rank.squareRoot() : rank))
  }

  private func alpha(of name: String) throws(CheckpointError) -> Double {
    for (pattern, alpha) in alphaPattern {
      if try pattern.matches(name, of: file) { return alpha }
    }
    return alpha
  }

  private static func refuseUnsupported(_ file: ConfigurationFile) throws(CheckpointError) {
    func refuse(_ what: String) -> CheckpointError {
      .unsupported(path: file.path, what: what, supported: "plain LoRA of linear layers")
    }
    let type = try file.text("peft_type", default: "none")
    guard type == "LORA" else { throw refuse("the PEFT type '\(type)'") }
    let bias = try file.text("bias", default: "none")
    guard bias == "none" else { throw refuse("trained biases (bias '\(bias)')") }
    for key in refusedKeys where file.isActive(key) { throw refuse("'\(key)'") }
    // The other initialisations change the base weights when the adapter is loaded.
    if let start = file.document["init_lora_weights"]?.text,
      !["gaussian", "eva", "orthogonal"].contains(start)
    {
      throw refuse("init_lora_weights '\(start)', which changes the base model")
    }
  }

  private static let refusedKeys = [
    "use_dora", "lora_bias", "modules_to_save", "alora_invocation_tokens", "layer_replication",
    "kasa_config", "velora_config", "monteclora_config", "arrow_config", "use_bdlora",
    "use_qalora", "target_parameters", "trainable_token_indices", "megatron_config",
  ]
}
