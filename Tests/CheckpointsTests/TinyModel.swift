// SPDX-License-Identifier: Apache-2.0
@testable import Checkpoints

/// A model of one block that is small enough to corrupt byte by byte.
enum TinyModel {
  static let config = """
    {"model_type": "llama", "vocab_size": 6, "hidden_size": 8, "intermediate_size": 4,
     "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
     "tie_word_embeddings": true, "rms_norm_eps": 1e-5}
    """

  /// Models of other families, as small.
  static let others = [
    """
    {"model_type": "gpt2", "vocab_size": 6, "n_embd": 6, "n_inner": 4, "n_layer": 1, "n_head": 2,
     "n_positions": 5}
    """,
    """
    {"model_type": "opt", "vocab_size": 6, "hidden_size": 6, "ffn_dim": 4, "num_hidden_layers": 1,
     "num_attention_heads": 2, "max_position_embeddings": 5}
    """,
  ]

  static var configuration: ModelConfiguration {
    get throws {
      let folder = try TemporaryFolder()
      return try ModelConfiguration(huggingFace: folder.write(config, to: "config.json"))
    }
  }

  /// Distinct values for each tensor.
  static func tensors(
    _ configuration: ModelConfiguration
  ) -> [(name: String, shape: [Int], values: [Float])] {
    configuration.tensorShapes.enumerated().map { index, tensor in
      let count = tensor.shape.reduce(1, *)
      return (tensor.name, tensor.shape, (0..<count).map { Float(index) + Float($0) / 1024 })
    }
  }

  /// A folder with `config.json` and `model.safetensors`.
  static func folder(
    config: String = config,
    changing change: (inout [(name: String, shape: [Int], values: [Float])]) -> Void = { _ in }
  ) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let path = try folder.write(config, to: "config.json")
    var tensors = tensors(try ModelConfiguration(huggingFace: path))
    change(&tensors)
    try SafetensorsFile.write(
      tensors: tensors, metadata: ["format": "pt"], to: "\(folder.path)/model.safetensors")
    return folder
  }

  private static let names = [
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
  ]

  /// llama.cpp's name of a tensor of transformers.
  static func ggufName(_ name: String) -> String {
    var parts = name.split(separator: ".").map(String.init)
    let suffix = parts.removeLast()
    guard parts.count > 2 else { return "\(names[parts.joined(separator: ".")]!).\(suffix)" }
    let module = parts.dropFirst(3).joined(separator: ".")
    return "blk.\(parts[2]).\(names[module]!).\(suffix)"
  }

  /// llama.cpp's order of the rows of a query or key projection: view (heads, 2, d / 2), swap.
  static func interleaved(_ values: [Float], rows: Int, heads: Int) -> [Float] {
    let width = values.count / rows
    let half = rows / heads / 2
    var permuted: [Float] = []
    for head in 0..<heads {
      for pair in 0..<half {
        for side in 0..<2 {
          let row = head * 2 * half + side * half + pair
          permuted += values[(row * width)..<((row + 1) * width)]
        }
      }
    }
    return permuted
  }

  /// The same model as a GGUF file of architecture `architecture`.
  static func gguf(
    _ configuration: ModelConfiguration, architecture: String = "llama"
  ) -> GGUFBuilder {
    var builder = GGUFBuilder()
    builder.set("general.architecture", architecture)
    builder.set("\(architecture).embedding_length", UInt32(configuration.width))
    builder.set("\(architecture).block_count", UInt32(configuration.layerCount))
    builder.set("\(architecture).attention.head_count", UInt32(configuration.headCount))
    builder.set("\(architecture).attention.head_count_kv", UInt32(configuration.keyValueHeadCount))
    builder.set("\(architecture).attention.key_length", UInt32(configuration.headWidth))
    builder.set("\(architecture).feed_forward_length", UInt32(configuration.feedForwardWidth))
    builder.set("\(architecture).context_length", UInt32(configuration.contextLength))
    builder.set("\(architecture).attention.layer_norm_rms_epsilon", configuration.normEpsilon)
    builder.set("tokenizer.ggml.bos_token_id", UInt32(1))
    builder.set("tokenizer.ggml.eos_token_id", UInt32(2))
    for (name, shape, values) in tensors(configuration) {
      var values = values
      if architecture == "llama", name.contains("q_proj") || name.contains("k_proj") {
        let heads =
          name.contains("q_proj") ? configuration.headCount : configuration.keyValueHeadCount
        values = interleaved(values, rows: shape[0], heads: heads)
      }
      builder.add(ggufName(name), shape, values)
    }
    return builder
  }
}
