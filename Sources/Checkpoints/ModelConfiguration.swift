// SPDX-License-Identifier: Apache-2.0

/// What a decoder of the Llama family looks like: everything but its weights.
public struct ModelConfiguration: Hashable, Codable, Sendable {
  /// The families that Tern computes.
  public enum Family: String, Codable, CaseIterable, Sendable {
    case llama, mistral, qwen2, qwen3
  }

  /// How the frequencies of the rotary embedding are changed for longer contexts.
  public enum RopeScaling: Hashable, Codable, Sendable {
    /// All frequencies are divided by `factor`.
    case linear(factor: Double)
    /// Llama 3.1: long wavelengths are divided by `factor`, short ones kept, those between blended.
    case llama3(
      factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double,
      originalContext: Int)
  }

  /// The family, which says how the parts are put together.
  public var family: Family
  /// The number of tokens in the vocabulary.
  public var vocabularySize: Int
  /// The width of the residual stream (`hidden_size`).
  public var width: Int
  /// The number of blocks.
  public var layerCount: Int
  /// The number of query heads.
  public var headCount: Int
  /// The number of key and value heads; divides `headCount`.
  public var keyValueHeadCount: Int
  /// The width of one head (`head_dim`), even.
  public var headWidth: Int
  /// The width of the feed-forward part (`intermediate_size`).
  public var feedForwardWidth: Int
  /// What RMSNorm adds to the mean square.
  public var normEpsilon: Float
  /// The base of the rotary embedding's wavelengths.
  public var ropeTheta: Double
  /// The rotary embedding's scaling, if any.
  public var ropeScaling: RopeScaling?
  /// What each frequency of the rotary embedding is divided by, `headWidth / 2` of them, where the
  /// checkpoint stores the result of a scaling (GGUF's `rope_freqs`) instead of its rule.
  public var ropeFrequencyFactors: [Float]?
  /// How many tokens each token sees, itself included; nil for all that came before.
  public var slidingWindow: Int?
  /// Whether the head's weights are those of the embedding.
  public var tiedHead: Bool
  /// Whether the query, key and value projections have a bias.
  public var queryKeyValueBias: Bool
  /// Whether the attention's output projection has a bias.
  public var outputBias: Bool
  /// Whether the three feed-forward projections have a bias.
  public var feedForwardBias: Bool
  /// Whether queries and keys are normalised head by head.
  public var queryKeyNorm: Bool
  /// The longest sequence that the model was made for.
  public var contextLength: Int
  /// The token that begins a text, if there is one.
  public var beginToken: Int?
  /// The tokens that end a text.
  public var endTokens: [Int]
}

extension ModelConfiguration {
  /// The name and shape of every tensor that the model is made of, in Hugging Face's notation.
  ///
  /// A tied head has no tensor of its own.
  public var tensorShapes: [(name: String, shape: [Int])] {
    var shapes = [("model.embed_tokens.weight", [vocabularySize, width])]
    let blockShapes = blockShapes
    for layer in 0..<layerCount {
      shapes += blockShapes.map { ("model.layers.\(layer).\($0)", $1) }
    }
    shapes.append(("model.norm.weight", [width]))
    if !tiedHead { shapes.append(("lm_head.weight", [vocabularySize, width])) }
    return shapes
  }

  /// The tensors of one block.
  private var blockShapes: [(String, [Int])] {
    let queryWidth = headCount * headWidth
    let keyWidth = keyValueHeadCount * headWidth
    let projections = [
      ("self_attn.q_proj", queryWidth, width, queryKeyValueBias),
      ("self_attn.k_proj", keyWidth, width, queryKeyValueBias),
      ("self_attn.v_proj", keyWidth, width, queryKeyValueBias),
      ("self_attn.o_proj", width, queryWidth, outputBias),
      ("mlp.gate_proj", feedForwardWidth, width, feedForwardBias),
      ("mlp.up_proj", feedForwardWidth, width, feedForwardBias),
      ("mlp.down_proj", width, feedForwardWidth, feedForwardBias),
    ]
    var shapes = [
      ("input_layernorm.weight", [width]), ("post_attention_layernorm.weight", [width]),
    ]
    if queryKeyNorm {
      shapes += [
        ("self_attn.q_norm.weight", [headWidth]), ("self_attn.k_norm.weight", [headWidth]),
      ]
    }
    for (name, rows, columns, hasBias) in projections {
      shapes.append(("\(name).weight", [rows, columns]))
      if hasBias { shapes.append(("\(name).bias", [rows])) }
    }
    return shapes
  }

  /// Checks what the rest of the program relies on.
  ///
  /// - Throws: `malformed`, naming `path` and the first value out of range.
  func checked(path: String) throws(CheckpointError) -> ModelConfiguration {
    // Large enough for any model, small enough that no product of two of them overflows.
    let limit = 1 << 28
    let sizes = [
      ("vocabulary size", vocabularySize), ("width", width), ("layer count", layerCount),
      ("head count", headCount), ("key and value head count", keyValueHeadCount),
      ("head width", headWidth), ("feed-forward width", feedForwardWidth),
      ("context length", contextLength), ("sliding window", slidingWindow ?? 1),
    ]
    for (name, size) in sizes where !(1...limit ~= size) {
      throw .malformed(path: path, what: "a \(name) of \(size), expected 1 to \(limit)")
    }
    guard layerCount <= 1_000 else {
      throw .malformed(path: path, what: "a layer count of \(layerCount), expected at most 1,000")
    }
    guard headCount.isMultiple(of: keyValueHeadCount) else {
      throw .malformed(
        path: path, what: "\(headCount) heads cannot share \(keyValueHeadCount) key-value heads")
    }
    guard headWidth.isMultiple(of: 2) else {
      throw .malformed(path: path, what: "an odd head width of \(headWidth)")
    }
    guard normEpsilon.isFinite, normEpsilon >= 0, ropeTheta.isFinite, ropeTheta > 0 else {
      throw .malformed(
        path: path, what: "a norm epsilon of \(normEpsilon) with a RoPE theta of \(ropeTheta)")
    }
    return self
  }
}
