// SPDX-License-Identifier: Apache-2.0

extension ModelConfiguration {
  /// The configuration in the metadata of a GGUF file.
  ///
  /// The `llama` architecture covers Llama, SmolLM2 and Mistral, whose window llama.cpp drops.
  init(gguf file: GGUFFile) throws(CheckpointError) {
    let family = try Self.family(file)
    let path = file.contents.path
    func key(_ name: String) -> String { "\(family.rawValue).\(name)" }
    try Self.refuseUnsupported(file, family)
    self.family = family
    width = try file.requiredInteger(key("embedding_length"))
    layerCount = try file.requiredInteger(key("block_count"))
    headCount = try file.requiredInteger(key("attention.head_count"))
    guard headCount > 0 else { throw .malformed(path: path, what: "\(headCount) heads") }
    keyValueHeadCount = try file.integer(key("attention.head_count_kv")) ?? headCount
    headWidth = try file.integer(key("attention.key_length")) ?? width / headCount
    for name in ["attention.value_length", "rope.dimension_count"] {
      let found = try file.integer(key(name)) ?? headWidth
      guard found == headWidth else {
        throw .unsupported(
          path: path, what: "\(key(name)) \(found)", supported: "the head width, \(headWidth)")
      }
    }
    feedForwardWidth = try file.requiredInteger(key("feed_forward_length"))
    contextLength = try file.requiredInteger(key("context_length"))
    guard let epsilon = try file.number(key("attention.layer_norm_rms_epsilon")) else {
      throw file.missing(key("attention.layer_norm_rms_epsilon"))
    }
    normEpsilon = Float(epsilon)
    ropeTheta = try file.number(key("rope.freq_base")) ?? 10000
    ropeScaling = try Self.ropeScaling(file, family)
    let window = try file.integer(key("attention.sliding_window")) ?? 0
    slidingWindow = window == 0 ? nil : window
    guard let embedding = file.tensors["token_embd.weight"], embedding.shape.count == 2 else {
      throw .missing(path: path, what: "tensor 'token_embd.weight'")
    }
    vocabularySize = embedding.shape[0]
    tiedHead = file.tensors["output.weight"] == nil
    queryKeyValueBias = file.tensors["blk.0.attn_q.bias"] != nil
    outputBias = file.tensors["blk.0.attn_output.bias"] != nil
    feedForwardBias = file.tensors["blk.0.ffn_up.bias"] != nil
    queryKeyNorm = family == .qwen3
    beginToken = try file.integer("tokenizer.ggml.bos_token_id")
    endTokens = try file.integer("tokenizer.ggml.eos_token_id").map { [$0] } ?? []
    self = try checked(path: path)
    ropeFrequencyFactors = try Self.ropeFactors(file, count: headWidth / 2)
  }

  private static func family(_ file: GGUFFile) throws(CheckpointError) -> Family {
    let supported: [Family] = [.llama, .qwen2, .qwen3]
    guard let name = try file.text("general.architecture") else {
      throw file.missing("general.architecture")
    }
    guard let family = supported.first(where: { $0.rawValue == name }) else {
      throw .unsupported(
        path: file.contents.path, what: "the architecture '\(name)'",
        supported: supported.map(\.rawValue).joined(separator: ", "))
    }
    return family
  }

  private static func refuseUnsupported(
    _ file: GGUFFile, _ family: Family
  ) throws(CheckpointError) {
    let path = file.contents.path
    if let count = try file.integer("split.count"), count > 1 {
      throw .unsupported(
        path: path, what: "\(count - 1) more files that it is split into",
        supported: "one file; join them with llama-gguf-split --merge")
    }
    if let experts = try file.integer("\(family.rawValue).expert_count"), experts > 0 {
      throw .unsupported(path: path, what: "\(experts) experts", supported: "dense models")
    }
    // Qwen's window covers only some layers, and the file does not say which.
    let windowKey = "\(family.rawValue).attention.sliding_window"
    let hasWindow = (try file.integer(windowKey) ?? 0) != 0
    if file.metadata[windowKey + "_pattern"] != nil
      || family != .llama && hasWindow
    {
      throw .unsupported(
        path: path, what: "a sliding window in some layers", supported: "a window in all or none")
    }
  }

  private static func ropeScaling(
    _ file: GGUFFile, _ family: Family
  ) throws(CheckpointError) -> RopeScaling? {
    let prefix = "\(family.rawValue).rope"
    // A factor without a type is linear, as llama.cpp has it.
    let kind = try file.text("\(prefix).scaling.type") ?? "linear"
    let legacy = try file.number("\(prefix).scale_linear")
    let factor = try file.number("\(prefix).scaling.factor") ?? legacy ?? 1
    switch kind {
    case "none": return nil
    case "linear":
      if factor == 0 || factor == 1 { return nil }
      guard factor.isFinite, factor > 0 else {
        throw .malformed(path: file.contents.path, what: "a RoPE scaling factor of \(factor)")
      }
      return .linear(factor: factor)
    default:
      throw .unsupported(
        path: file.contents.path, what: "the RoPE scaling '\(kind)'",
        supported: "none, linear, rope_freqs")
    }
  }

  /// What the frequencies are divided by: how Llama 3's scaling arrives in a GGUF file.
  private static func ropeFactors(
    _ file: GGUFFile, count: Int
  ) throws(CheckpointError) -> [Float]? {
    let name = GGUFModel.ropeFactors
    guard let info = file.tensors[name] else { return nil }
    guard info.shape == [count] else {
      throw .wrongShape(tensor: name, expected: [count], found: info.shape)
    }
    let factors = try StoredTensor(file: file.contents, info: info).floats(named: name)
    guard factors.allSatisfy({ $0 > 0 }) else {
      throw .malformed(path: file.contents.path, what: "\(name) has factors that are not positive")
    }
    return factors
  }
}
