// SPDX-License-Identifier: Apache-2.0

/// What a decoder looks like: everything but its weights.
public struct ModelConfiguration: Hashable, Codable, Sendable {
  /// The families that Tern computes.
  public enum Family: String, Codable, CaseIterable, Sendable {
    case llama, mistral, qwen2, qwen3, gpt2, opt
  }

  /// What a feed-forward part does between its matrices.
  public enum Activation: String, Codable, Sendable {
    /// silu(gate) up, the outputs of two matrices.
    case swiglu
    /// GELU in its form with tanh.
    case geluTanh = "gelu-tanh"
    /// GELU, with the error function.
    case gelu
    /// The positive part.
    case relu

    /// Whether there are gates beside what is activated.
    public var isGated: Bool { self == .swiglu }
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
  /// The width of one head (`head_dim`), even where heads are turned.
  public var headWidth: Int
  /// The width of the feed-forward part (`intermediate_size`).
  public var feedForwardWidth: Int
  /// What stands between the matrices of the feed-forward part.
  public var activation = Activation.swiglu
  /// What norms add to the mean square.
  public var normEpsilon: Float
  /// The base of the rotary embedding's wavelengths, where there is one.
  public var ropeTheta = 10_000.0
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
  /// Whether the feed-forward projections have a bias.
  public var feedForwardBias: Bool
  /// Whether queries and keys are normalised head by head.
  public var queryKeyNorm: Bool
  /// Whether scores of attention are divided by the root of the heads' width.
  public var scalesScoresByWidth = true
  /// Whether scores of block i are divided by i + 1.
  public var scalesScoresByLayer = false
  /// The longest sequence that the model was made for.
  public var contextLength: Int
  /// The token that begins a text, if there is one.
  public var beginToken: Int?
  /// The tokens that end a text.
  public var endTokens: [Int]
}

extension ModelConfiguration {
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
    guard headWidth.isMultiple(of: 2) || architecture.positions != .rotary else {
      throw .malformed(path: path, what: "an odd head width of \(headWidth)")
    }
    guard normEpsilon.isFinite, normEpsilon >= 0, ropeTheta.isFinite, ropeTheta > 0 else {
      throw .malformed(
        path: path, what: "a norm epsilon of \(normEpsilon) with a RoPE theta of \(ropeTheta)")
    }
    return self
  }
}
