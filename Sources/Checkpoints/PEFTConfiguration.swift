// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// What an `adapter_config.json` says about ranks and scales.
///
/// Keys without effect on plain LoRA are ignored, as PEFT does; those that change what the adapter
/// computes are refused by name.
struct PEFTConfiguration {
  let baseModel: String?
  let fanInFanOut: Bool
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
      ranks.append((try Self.pattern(member.name, path: path), rank))
    }
    rankPattern = ranks
    var alphas: [(ModulePattern, Double)] = []
    for member in try file.object("alpha_pattern")?.document.members ?? [] {
      guard let alpha = member.value.double else {
        throw .malformed(path: path, what: "alpha_pattern '\(member.name)' is no number")
      }
      alphas.append((try Self.pattern(member.name, path: path), alpha))
    }
    alphaPattern = alphas
  }

  /// The rank of the module called `name`: of the first pattern that matches, or the general one.
  func rank(of name: String) throws(CheckpointError) -> Int {
    for (pattern, rank) in rankPattern {
      if try matches(name, pattern) { return rank }
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
      if try matches(name, pattern) { return alpha }
    }
    return alpha
  }

  /// Whether `target_modules` lists the module called `name`; PEFT drops the tensors of others.
  func targets(_ name: String) throws(CheckpointError) -> Bool {
    guard let targets = file.document["target_modules"] else { return true }
    if let text = targets.text {
      if text == "all-linear" { return true }
      return try matches(name, Self.compiled(text, path: file.path))
    }
    return (targets.elements ?? []).contains { element in
      guard let target = element.text else { return false }
      return name == target || name.hasSuffix(".\(target)")
    }
  }

  private func matches(
    _ name: String, _ pattern: ModulePattern
  ) throws(CheckpointError) -> Bool {
    do {
      return try pattern.matches(name)
    } catch {
      throw .malformed(
        path: file.path, what: "a pattern of module names takes too long on '\(name.prefix(100))'")
    }
  }

  /// PEFT's way of matching: the key, as a pattern, is the path or its end after a dot.
  private static func pattern(
    _ key: String, path: String
  ) throws(CheckpointError) -> ModulePattern {
    try compiled("(.*\\.)?(\(key))", path: path)
  }

  private static func compiled(
    _ pattern: String, path: String
  ) throws(CheckpointError) -> ModulePattern {
    do {
      return try ModulePattern(pattern)
    } catch {
      throw .malformed(path: path, what: "'\(pattern.prefix(100))' is no pattern of module names")
    }
  }

  private static func refuseUnsupported(_ file: ConfigurationFile) throws(CheckpointError) {
    func refuse(_ what: String) -> CheckpointError {
      .unsupported(path: file.path, what: what, supported: "plain LoRA of linear layers")
    }
    let type = try file.text("peft_type", default: "none")
    guard type == "LORA" else { throw refuse("the PEFT type '\(type)'") }
    let bias = try file.text("bias", default: "none")
    guard bias == "none" else { throw refuse("trained biases (bias '\(bias)')") }
    for key in refusedKeys where isActive(file.document[key]) { throw refuse("'\(key)'") }
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

  /// Whether a key is set to anything but the ways of saying no.
  private static func isActive(_ value: JSONValue?) -> Bool {
    switch value {
    case nil, .null, .boolean(false), .array([]), .object([]): false
    default: true
    }
  }
}
