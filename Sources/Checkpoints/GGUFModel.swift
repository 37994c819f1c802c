// SPDX-License-Identifier: Apache-2.0

/// The model in a GGUF file, under Hugging Face's names.
struct GGUFModel {
  let configuration: ModelConfiguration
  /// The stored tensors; those that have no counterpart keep their own names.
  let tensors: [String: StoredTensor]

  /// Reads what the metadata and the tensors of `file` say.
  init(_ file: GGUFFile) throws(CheckpointError) {
    let configuration = try ModelConfiguration(gguf: file)
    var tensors: [String: StoredTensor] = [:]
    for (name, info) in file.tensors where name != Self.ropeFactors {
      let mapped = Self.huggingFaceName(of: name) ?? name
      var tensor = StoredTensor(file: file.contents, info: info)
      tensor.interleavedHeads = Self.interleavedHeads(of: mapped, configuration)
      tensors[mapped] = tensor
    }
    self.configuration = configuration
    self.tensors = tensors
  }

  /// The tensor of what each rotary frequency is divided by.
  static let ropeFactors = "rope_freqs.weight"

  /// The name in transformers of the tensor called `name` in llama.cpp; nil if there is none.
  static func huggingFaceName(of name: String) -> String? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count == 2, let module = outerModules[String(parts[0])] {
      return "\(module).\(parts[1])"
    }
    guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), layer >= 0,
      parts[1] == "\(layer)", let module = blockModules[String(parts[2])]
    else { return nil }
    return "model.layers.\(layer).\(module).\(parts[3])"
  }

  private static let outerModules = [
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
  ]

  private static let blockModules = [
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
  ]

  /// llama.cpp stores the query and key rows of its `llama` architecture in rotary pairs
  /// (2i, 2i + 1), where transformers has halves (i, i + d/2); other architectures keep the rows.
  private static func interleavedHeads(
    of name: String, _ configuration: ModelConfiguration
  ) -> Int? {
    guard configuration.family == .llama else { return nil }
    if name.contains(".self_attn.q_proj.") { return configuration.headCount }
    if name.contains(".self_attn.k_proj.") { return configuration.keyValueHeadCount }
    return nil
  }
}
