// SPDX-License-Identifier: Apache-2.0
internal import JSON

extension ModelConfiguration {
  /// What transformers assumes for keys that a family's `config.json` lacks.
  private struct Defaults {
    var vocabularySize = 32000
    var feedForwardWidth = 11008
    var keyValueHeadCount: Int?
    var headWidth: Int?
    var contextLength = 2048
    var beginToken: Int? = 1
    var endTokens = [2]

    init(_ family: Family) {
      switch family {
      case .llama, .gpt2, .opt: break
      case .mistral:
        feedForwardWidth = 14336
        keyValueHeadCount = 8
        contextLength = 4096 * 32
      case .qwen2, .qwen3:
        vocabularySize = 151936
        feedForwardWidth = 22016
        keyValueHeadCount = 32
        headWidth = family == .qwen3 ? 128 : nil
        contextLength = 32768
        beginToken = nil
        endTokens = []
      }
    }
  }

  /// The configuration in `config.json`, as written by transformers 4 or 5.
  init(huggingFace path: String) throws(CheckpointError) {
    let file = ConfigurationFile(path: path, document: try JSONValue(path: path))
    try self.init(file)
  }

  /// The configuration in an open `config.json`.
  init(_ file: ConfigurationFile) throws(CheckpointError) {
    try Self.refuseQuantization(file)
    switch try Self.family(file) {
    case .gpt2: try self.init(gpt2: file)
    case .opt: try self.init(opt: file)
    case let family: try self.init(llama: file, family)
    }
  }

  /// The configuration of a model that is built like Llama.
  private init(llama file: ConfigurationFile, _ family: Family) throws(CheckpointError) {
    let defaults = Defaults(family)
    let activation = try file.text("hidden_act", default: "silu")
    guard activation == "silu" else {
      throw .unsupported(path: file.path, what: "the activation '\(activation)'", supported: "silu")
    }
    self.family = family
    width = try file.integer("hidden_size", default: 4096)
    layerCount = try file.integer("num_hidden_layers", default: 32)
    headCount = try file.integer("num_attention_heads", default: 32)
    guard headCount > 0 else { throw .malformed(path: file.path, what: "\(headCount) heads") }
    vocabularySize = try file.integer("vocab_size", default: defaults.vocabularySize)
    feedForwardWidth = try file.integer("intermediate_size", default: defaults.feedForwardWidth)
    // An explicit null means "as many as query heads", whatever the family.
    let isNull = file.document.members?.contains { $0.name == "num_key_value_heads" } == true
    keyValueHeadCount = try file.integer(
      "num_key_value_heads", default: isNull ? headCount : defaults.keyValueHeadCount ?? headCount)
    headWidth = try file.integer("head_dim", default: defaults.headWidth ?? width / headCount)
    contextLength = try file.integer("max_position_embeddings", default: defaults.contextLength)
    normEpsilon = Float(try file.number("rms_norm_eps", default: 1e-6))
    (ropeTheta, ropeScaling) = try Self.rope(file, contextLength: contextLength)
    tiedHead = try file.truth("tie_word_embeddings", default: false)
    slidingWindow = try Self.slidingWindow(file, family: family, layerCount: layerCount)
    let attentionBias = try file.truth("attention_bias", default: false)
    let takesAttentionBias = family == .llama || family == .qwen3
    queryKeyValueBias = family == .qwen2 || takesAttentionBias && attentionBias
    outputBias = takesAttentionBias && attentionBias
    let mlpBias = try file.truth("mlp_bias", default: false)
    feedForwardBias = family == .llama && mlpBias
    queryKeyNorm = family == .qwen3
    (beginToken, endTokens) = try Self.textTokens(
      file, begin: defaults.beginToken, ends: defaults.endTokens)
    self = try checked(path: file.path)
  }

  /// The tokens that begin and end a text; an explicit null means that there is none.
  static func textTokens(
    _ file: ConfigurationFile, begin: Int?, ends: [Int]
  ) throws(CheckpointError) -> (begin: Int?, ends: [Int]) {
    (
      isGiven("bos_token_id", file) ? try file.integer("bos_token_id") : begin,
      isGiven("eos_token_id", file) ? try file.integers("eos_token_id") ?? [] : ends
    )
  }

  private static func isGiven(_ key: String, _ file: ConfigurationFile) -> Bool {
    file.document.members?.contains { $0.name == key } == true
  }

  private static func family(_ file: ConfigurationFile) throws(CheckpointError) -> Family {
    guard let name = file.document["model_type"]?.text else {
      throw .missing(path: file.path, what: "model_type")
    }
    guard let family = Family(rawValue: name) else {
      throw .unsupported(
        path: file.path, what: "the model type '\(name)'",
        supported: Family.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return family
  }

  private static func refuseQuantization(_ file: ConfigurationFile) throws(CheckpointError) {
    if let quantization = try file.object("quantization_config") {
      let method = try quantization.text("quant_method", default: "unnamed")
      throw .unsupported(
        path: file.path, what: "weights quantised by '\(method)'",
        supported: "F32, F16 and BF16 weights, and GGUF files")
    }
  }

  /// What stands between two matrices without gates.
  static func activation(
    _ file: ConfigurationFile, default standard: String
  ) throws(CheckpointError) -> Activation {
    switch try file.text("activation_function", default: standard) {
    case "gelu": return .gelu
    case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": return .geluTanh
    case "relu": return .relu
    case let other:
      throw .unsupported(
        path: file.path, what: "the activation '\(other)'", supported: "gelu, gelu_new, relu")
    }
  }

  /// The width of heads that share the model's width.
  static func headWidth(
    of width: Int, headCount: Int, _ file: ConfigurationFile
  ) throws(CheckpointError) -> Int {
    guard headCount > 0, width.isMultiple(of: headCount) else {
      throw .malformed(path: file.path, what: "\(headCount) heads in a width of \(width)")
    }
    return width / headCount
  }

  /// Theta and scaling, from `rope_parameters` (transformers 5) or from `rope_scaling` and
  /// `rope_theta` (4), with the precedence of transformers' `convert_rope_params_to_dict`.
  private static func rope(
    _ file: ConfigurationFile, contextLength: Int
  ) throws(CheckpointError) -> (Double, RopeScaling?) {
    let plainTheta = try file.number("rope_theta", default: 10000)
    let newer = try file.object("rope_parameters")
    guard let rope = try file.object("rope_scaling") ?? newer else {
      try refusePartialRotation(file)
      return (plainTheta, nil)
    }
    try refusePartialRotation(file)
    try refusePartialRotation(rope)
    if rope.document.members?.contains(where: { $0.value.members != nil }) == true {
      throw .unsupported(
        path: file.path, what: "RoPE parameters that differ between kinds of layers",
        supported: "one set for all layers")
    }
    let theta = try rope.number("rope_theta", default: plainTheta)
    let legacyType = try rope.text("type", default: "default")
    switch try rope.text("rope_type", default: legacyType) {
    case "default": return (theta, nil)
    case "linear": return (theta, .linear(factor: try positive("factor", rope)))
    case "llama3": return (theta, try llama3(rope, contextLength: contextLength))
    case let other:
      throw .unsupported(
        path: file.path, what: "the RoPE type '\(other)'", supported: "default, linear, llama3")
    }
  }

  private static func llama3(
    _ rope: ConfigurationFile, contextLength: Int
  ) throws(CheckpointError) -> RopeScaling {
    let low = try positive("low_freq_factor", rope)
    let high = try positive("high_freq_factor", rope)
    let context = try rope.integer("original_max_position_embeddings", default: contextLength)
    guard low < high, context > 0 else {
      throw .malformed(
        path: rope.path,
        what: "llama3 RoPE with low_freq_factor \(low), high_freq_factor \(high) and "
          + "original_max_position_embeddings \(context)")
    }
    return .llama3(
      factor: try positive("factor", rope), lowFrequencyFactor: low, highFrequencyFactor: high,
      originalContext: context)
  }

  private static func positive(
    _ key: String, _ file: ConfigurationFile
  ) throws(CheckpointError) -> Double {
    let number = try file.requiredNumber(key)
    guard number > 0 else { throw .malformed(path: file.path, what: "'\(key)' is \(number)") }
    return number
  }

  private static func refusePartialRotation(_ file: ConfigurationFile) throws(CheckpointError) {
    let fraction = try file.number("partial_rotary_factor", default: 1)
    guard fraction == 1 else {
      throw .unsupported(
        path: file.path, what: "partial_rotary_factor \(fraction)", supported: "1")
    }
  }

  /// The window that all layers share, or none.
  ///
  /// Qwen counts a window only with `use_sliding_window`, and only from `max_window_layers` on;
  /// `layer_types` overrides both. Layers of both kinds in one model are refused.
  private static func slidingWindow(
    _ file: ConfigurationFile, family: Family, layerCount: Int
  ) throws(CheckpointError) -> Int? {
    switch family {
    case .llama, .gpt2, .opt: return nil
    case .mistral:
      return isGiven("sliding_window", file) ? try file.integer("sliding_window") : 4096
    case .qwen2, .qwen3: break
    }
    guard try file.truth("use_sliding_window", default: false),
      let window = isGiven("sliding_window", file) ? try file.integer("sliding_window") : 4096
    else { return nil }
    let firstSliding = try file.integer("max_window_layers", default: 28)
    var slidingCount = max(0, layerCount - max(0, firstSliding))
    if let types = file.document["layer_types"]?.elements {
      slidingCount = types.count { $0.text == "sliding_attention" }
    }
    guard slidingCount > 0 else { return nil }
    guard slidingCount == layerCount else {
      throw .unsupported(
        path: file.path,
        what: "a sliding window in \(slidingCount) of \(layerCount) layers (use_sliding_window)",
        supported: "a window in all layers or in none")
    }
    return window
  }
}
