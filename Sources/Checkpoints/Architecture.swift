// SPDX-License-Identifier: Apache-2.0

/// How the models of a family are put together, and what transformers calls their parts.
public struct Architecture: Sendable {
  /// What stands before attention, before the feed-forward part, and before the head.
  public enum Norm: Sendable {
    /// RMSNorm, which has a weight.
    case rootMeanSquare
    /// Layer norm, which has a weight and a bias.
    case layer
  }

  /// How a token gets to know its place in its sequence.
  public enum Positions: Equatable, Sendable {
    /// Queries and keys are turned.
    case rotary
    /// Position i has row `first + i` of a table, which is added to the token's embedding.
    case learned(table: String, first: Int)
  }

  /// What all names but the head's begin with; a checkpoint saved without a head lacks it.
  let prefix: String
  /// The token embedding.
  public let embedding: String
  /// Where positions come from.
  public let positions: Positions
  /// The list of blocks.
  public let blocks: String
  /// The norm before attention, inside its block.
  public let attentionNorm: String
  /// The norm before the feed-forward part, inside its block.
  public let feedForwardNorm: String
  /// The norm before the head.
  public let finalNorm: String
  /// The head.
  public let head = "lm_head"
  /// The kind of the norms.
  public let norm: Norm
  /// Whether matrices of linear layers are stored as [inputs, outputs], not [outputs, inputs].
  public let storesInputsFirst: Bool
  /// The linear layers of a block and what they compute, in canonical order.
  let linearLayers: [(path: String, projections: [Projection])]

  /// Those that differ from each other.
  static let all = [llama, gpt2, opt]

  static let llama = Architecture(
    prefix: "model.", embedding: "model.embed_tokens", positions: .rotary, blocks: "model.layers",
    attentionNorm: "input_layernorm", feedForwardNorm: "post_attention_layernorm",
    finalNorm: "model.norm", norm: .rootMeanSquare, storesInputsFirst: false,
    linearLayers: [
      ("self_attn.q_proj", [.query]), ("self_attn.k_proj", [.key]), ("self_attn.v_proj", [.value]),
      ("self_attn.o_proj", [.output]), ("mlp.gate_proj", [.gate]), ("mlp.up_proj", [.up]),
      ("mlp.down_proj", [.down]),
    ])

  static let gpt2 = Architecture(
    prefix: "transformer.", embedding: "transformer.wte",
    positions: .learned(table: "transformer.wpe", first: 0), blocks: "transformer.h",
    attentionNorm: "ln_1", feedForwardNorm: "ln_2", finalNorm: "transformer.ln_f", norm: .layer,
    storesInputsFirst: true,
    linearLayers: [
      ("attn.c_attn", [.query, .key, .value]), ("attn.c_proj", [.output]), ("mlp.c_fc", [.up]),
      ("mlp.c_proj", [.down]),
    ])

  static let opt = Architecture(
    prefix: "model.", embedding: "model.decoder.embed_tokens",
    positions: .learned(table: "model.decoder.embed_positions", first: 2),
    blocks: "model.decoder.layers", attentionNorm: "self_attn_layer_norm",
    feedForwardNorm: "final_layer_norm", finalNorm: "model.decoder.final_layer_norm", norm: .layer,
    storesInputsFirst: false,
    linearLayers: [
      ("self_attn.q_proj", [.query]), ("self_attn.k_proj", [.key]), ("self_attn.v_proj", [.value]),
      ("self_attn.out_proj", [.output]), ("fc1", [.up]), ("fc2", [.down]),
    ])
}

extension ModelConfiguration {
  /// How the model is put together.
  public var architecture: Architecture {
    switch family {
    case .llama, .mistral, .qwen2, .qwen3: .llama
    case .gpt2: .gpt2
    case .opt: .opt
    }
  }

  /// The path of a block, as in `model.layers.0`.
  public func block(_ layer: Int) -> String { "\(architecture.blocks).\(layer)" }

  /// The longest sequence for which there are positions; nil where they go on without end.
  public var positionCount: Int? { architecture.positions == .rotary ? nil : contextLength }
}
