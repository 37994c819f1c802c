// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Checkpoints

@Suite struct ModelConfigurationTests {
  private func configuration(_ json: String) throws -> ModelConfiguration {
    let folder = try TemporaryFolder()
    return try ModelConfiguration(huggingFace: folder.write(json, to: "config.json"))
  }

  /// What the configuration is refused with, in words.
  private func refusal(_ json: String) throws -> String {
    do {
      _ = try configuration(json)
      return "accepted"
    } catch let error as CheckpointError {
      return error.description
    }
  }

  @Test func llamaHasTransformersDefaults() throws {
    let found = try configuration(#"{"model_type": "llama"}"#)
    #expect(
      found
        == ModelConfiguration(
          family: .llama, vocabularySize: 32000, width: 4096, layerCount: 32, headCount: 32,
          keyValueHeadCount: 32, headWidth: 128, feedForwardWidth: 11008, normEpsilon: 1e-6,
          ropeTheta: 10000, ropeScaling: nil, ropeFrequencyFactors: nil, slidingWindow: nil,
          tiedHead: false, queryKeyValueBias: false, outputBias: false, feedForwardBias: false,
          queryKeyNorm: false, contextLength: 2048, beginToken: 1, endTokens: [2]))
  }

  @Test func mistralHasTransformersDefaults() throws {
    let found = try configuration(#"{"model_type": "mistral"}"#)
    #expect(found.keyValueHeadCount == 8)
    #expect(found.slidingWindow == 4096)
    #expect(found.feedForwardWidth == 14336)
    #expect(found.contextLength == 131072)
    #expect(!found.queryKeyValueBias && !found.tiedHead)
  }

  @Test func qwen2HasTransformersDefaults() throws {
    let found = try configuration(#"{"model_type": "qwen2"}"#)
    #expect(found.queryKeyValueBias && !found.outputBias && !found.queryKeyNorm)
    #expect(found.slidingWindow == nil)
    #expect(found.vocabularySize == 151936)
    #expect(found.beginToken == nil && found.endTokens == [])
    #expect(found.headWidth == 128)
  }

  @Test func qwen3HasTransformersDefaults() throws {
    let found = try configuration(
      #"{"model_type": "qwen3", "hidden_size": 1024, "num_attention_heads": 32}"#)
    #expect(found.queryKeyNorm && !found.queryKeyValueBias)
    #expect(found.headWidth == 128)
    let biased = try configuration(#"{"model_type": "qwen3", "attention_bias": true}"#)
    #expect(biased.queryKeyValueBias && biased.outputBias)
  }

  @Test func gpt2HasTransformersDefaults() throws {
    let found = try configuration(#"{"model_type": "gpt2", "n_inner": null}"#)
    #expect(
      found
        == ModelConfiguration(
          family: .gpt2, vocabularySize: 50257, width: 768, layerCount: 12, headCount: 12,
          keyValueHeadCount: 12, headWidth: 64, feedForwardWidth: 3072, activation: .geluTanh,
          normEpsilon: 1e-5, tiedHead: true, queryKeyValueBias: true, outputBias: true,
          feedForwardBias: true, queryKeyNorm: false, contextLength: 1024, beginToken: 50256,
          endTokens: [50256]))
    #expect(found.positionCount == 1024)
    let exact = try configuration(#"{"model_type": "gpt2", "activation_function": "gelu"}"#)
    #expect(exact.activation == .gelu)
  }

  @Test func optHasTransformersDefaults() throws {
    let found = try configuration(#"{"model_type": "opt"}"#)
    #expect(
      found
        == ModelConfiguration(
          family: .opt, vocabularySize: 50272, width: 768, layerCount: 12, headCount: 12,
          keyValueHeadCount: 12, headWidth: 64, feedForwardWidth: 3072, activation: .relu,
          normEpsilon: 1e-5, tiedHead: true, queryKeyValueBias: true, outputBias: true,
          feedForwardBias: true, queryKeyNorm: false, contextLength: 2048, beginToken: 2,
          endTokens: [2]))
    let bare = try configuration(#"{"model_type": "opt", "enable_bias": false}"#)
    #expect(!bare.queryKeyValueBias && !bare.outputBias && !bare.feedForwardBias)
    #expect(bare.tensorShapes.contains { $0.name == "model.decoder.layers.0.fc1.weight" })
    #expect(!bare.tensorShapes.contains { $0.name == "model.decoder.layers.0.fc1.bias" })
  }

  @Test func onlyTurnedHeadsMustBeEvenlyWide() throws {
    let found = try configuration(#"{"model_type": "gpt2", "n_embd": 9, "n_head": 3}"#)
    #expect(found.headWidth == 3)
  }

  @Test func aNullCountOfKeyValueHeadsMeansAllHeads() throws {
    let found = try configuration(
      #"{"model_type": "mistral", "num_attention_heads": 4, "num_key_value_heads": null}"#)
    #expect(found.keyValueHeadCount == 4)
    #expect(
      try configuration(#"{"model_type": "mistral", "sliding_window": null}"#).slidingWindow == nil)
  }

  @Test func biasesOfLlamaAreOptional() throws {
    let found = try configuration(
      #"{"model_type": "llama", "attention_bias": true, "mlp_bias": true}"#)
    #expect(found.queryKeyValueBias && found.outputBias && found.feedForwardBias)
    #expect(found.tensorShapes.contains { $0.name == "model.layers.0.mlp.down_proj.bias" })
    let mistral = try configuration(
      #"{"model_type": "mistral", "attention_bias": true, "mlp_bias": true}"#)
    #expect(!mistral.queryKeyValueBias && !mistral.outputBias && !mistral.feedForwardBias)
  }

  @Test func bothGenerationsOfRopeKeysAreRead() throws {
    let scaling = RopeScalingCase.llama3
    let four = try configuration(
      #"{"model_type": "llama", "rope_theta": 500000.0, "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}"#
    )
    let five = try configuration(
      #"{"model_type": "llama", "rope_parameters": {"rope_theta": 500000.0, "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}"#
    )
    #expect(four == five)
    #expect(four.ropeTheta == 500000)
    #expect(four.ropeScaling == scaling)
  }

  private enum RopeScalingCase {
    static let llama3 = ModelConfiguration.RopeScaling.llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
  }

  @Test func ropeDefaultsAreTransformers() throws {
    let context = try configuration(
      #"{"model_type": "llama", "max_position_embeddings": 64, "rope_scaling": {"rope_type": "llama3", "factor": 2, "low_freq_factor": 1, "high_freq_factor": 4}}"#
    )
    #expect(
      context.ropeScaling
        == .llama3(factor: 2, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64))
    let linear = try configuration(
      #"{"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2.5}}"#)
    #expect(linear.ropeScaling == .linear(factor: 2.5))
    #expect(linear.ropeTheta == 10000)
    let empty = try configuration(
      #"{"model_type": "llama", "rope_theta": 7, "rope_scaling": null, "rope_parameters": {}}"#)
    #expect(empty.ropeTheta == 7 && empty.ropeScaling == nil)
  }

  @Test(arguments: [
    (#"{}"#, "no model_type"),
    (#"{"model_type": "bloom"}"#, "'bloom', which is not supported; supported: llama, mistral"),
    (#"{"model_type": "gpt2", "activation_function": "silu"}"#, "the activation 'silu'"),
    (#"{"model_type": "gpt2", "add_cross_attention": true}"#, "cross-attention"),
    (#"{"model_type": "gpt2", "n_head": 0}"#, "0 heads in a width of 768"),
    (#"{"model_type": "gpt2", "n_head": -12}"#, "-12 heads in a width"),
    (#"{"model_type": "gpt2", "n_head": 7}"#, "7 heads in a width of 768"),
    (#"{"model_type": "gpt2", "n_embd": 9223372036854775800}"#, "width of"),
    (#"{"model_type": "gpt2", "n_embd": -768}"#, "width of -768"),
    (#"{"model_type": "gpt2", "n_inner": 0}"#, "feed-forward width of 0"),
    (#"{"model_type": "gpt2", "n_positions": -1}"#, "context length of -1"),
    (#"{"model_type": "gpt2", "layer_norm_epsilon": -1}"#, "norm epsilon"),
    (#"{"model_type": "gpt2", "scale_attn_weights": 1}"#, "'scale_attn_weights'"),
    (#"{"model_type": "gpt2", "quantization_config": {"quant_method": "gptq"}}"#, "'gptq'"),
    (#"{"model_type": "opt", "activation_function": "tanh"}"#, "the activation 'tanh'"),
    (#"{"model_type": "opt", "do_layer_norm_before": false}"#, "do_layer_norm_before false"),
    (#"{"model_type": "opt", "_remove_final_layer_norm": true}"#, "_remove_final_layer_norm true"),
    (
      #"{"model_type": "opt", "layer_norm_elementwise_affine": false}"#,
      "layer_norm_elementwise_affine false"
    ),
    (#"{"model_type": "opt", "word_embed_proj_dim": 512}"#, "word_embed_proj_dim 512"),
    (#"{"model_type": "opt", "max_position_embeddings": 268435457}"#, "context length"),
    (#"{"model_type": "opt", "num_hidden_layers": 1001}"#, "layer count of 1001"),
    (#"{"model_type": "opt", "ffn_dim": "wide"}"#, "'ffn_dim'"),
    (#"{"model_type": "llama", "hidden_act": "gelu"}"#, "'gelu'"),
    (#"{"model_type": "llama", "rope_scaling": {"type": "yarn", "factor": 2}}"#, "'yarn'"),
    (
      #"{"model_type": "llama", "rope_scaling": {"rope_type": "dynamic", "factor": 2}}"#,
      "'dynamic'"
    ),
    (#"{"model_type": "llama", "rope_parameters": {"rope_type": "longrope"}}"#, "'longrope'"),
    (
      #"{"model_type": "llama", "rope_parameters": {"full_attention": {"rope_type": "default"}}}"#,
      "kinds of layers"
    ),
    (#"{"model_type": "llama", "partial_rotary_factor": 0.5}"#, "partial_rotary_factor"),
    (
      #"{"model_type": "llama", "rope_parameters": {"partial_rotary_factor": 0.5}}"#,
      "partial_rotary_factor"
    ),
    (#"{"model_type": "llama", "rope_scaling": {"type": "linear"}}"#, "'factor'"),
    (#"{"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 0}}"#, "'factor'"),
    (
      #"{"model_type": "llama", "rope_scaling": {"type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 4}}"#,
      "llama3"
    ),
    (#"{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}"#, "'gptq'"),
    (#"{"model_type": "qwen2", "use_sliding_window": true}"#, "4 of 32 layers"),
    (#"{"model_type": "llama", "hidden_size": "big"}"#, "'hidden_size' is not a whole number"),
    (#"{"model_type": "llama", "hidden_size": 1.5}"#, "'hidden_size'"),
    (#"{"model_type": "llama", "tie_word_embeddings": 1}"#, "'tie_word_embeddings'"),
    (#"{"model_type": "llama", "num_attention_heads": 0}"#, "0 heads"),
    (#"{"model_type": "llama", "num_key_value_heads": 0}"#, "key and value head count of 0"),
    (#"{"model_type": "llama", "num_key_value_heads": 5}"#, "cannot share"),
    (#"{"model_type": "llama", "head_dim": 33}"#, "odd head width"),
    (#"{"model_type": "llama", "hidden_size": 9223372036854775807}"#, "width"),
    (#"{"model_type": "llama", "num_hidden_layers": 1000000}"#, "layer count"),
    (#"{"model_type": "llama", "rms_norm_eps": -1}"#, "norm epsilon"),
    (#"{"model_type": "llama", "rope_theta": 0}"#, "RoPE theta"),
    (#"{"model_type": "mistral", "sliding_window": 0}"#, "sliding window of 0"),
    (#"{"model_type": "llama", "eos_token_id": "x"}"#, "'eos_token_id'"),
    (#"["#, "JSON"),
  ])
  func whatCannotBeComputedIsRefusedByName(json: String, words: String) throws {
    let found = try refusal(json)
    #expect(found.contains(words), "\(found)")
  }

  @Test func qwensWindowCountsOnlyInAllLayers() throws {
    let all = try configuration(
      #"{"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 0, "sliding_window": 7}"#
    )
    #expect(all.slidingWindow == 7)
    let none = try configuration(
      #"{"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 32}"#)
    #expect(none.slidingWindow == nil)
    let listed = try configuration(
      #"{"model_type": "qwen3", "num_hidden_layers": 1, "use_sliding_window": true, "layer_types": ["sliding_attention"]}"#
    )
    #expect(listed.slidingWindow == 4096)
    let off = try configuration(
      #"{"model_type": "qwen2", "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 0}"#
    )
    #expect(off.slidingWindow == nil)
  }

  @Test func severalEndTokensAreKept() throws {
    let found = try configuration(
      #"{"model_type": "llama", "bos_token_id": 128000, "eos_token_id": [128001, 128009]}"#)
    #expect(found.endTokens == [128001, 128009])
    #expect(found.beginToken == 128000)
    let none = try configuration(
      #"{"model_type": "llama", "bos_token_id": null, "eos_token_id": null}"#)
    #expect(none.beginToken == nil && none.endTokens == [])
  }

  @Test func itSurvivesCoding() throws {
    let found = try configuration(
      #"{"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2.5}}"#)
    let coded = try JSONEncoder().encode(found)
    #expect(try JSONDecoder().decode(ModelConfiguration.self, from: coded) == found)
  }

  @Test func tensorShapesFollowTheConfiguration() throws {
    let found = try configuration(
      #"{"model_type": "qwen3", "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 6, "num_hidden_layers": 2, "intermediate_size": 5, "vocab_size": 9}"#
    )
    let shapes = Dictionary(uniqueKeysWithValues: found.tensorShapes.map { ($0.name, $0.shape) })
    #expect(shapes.count == 2 * 11 + 3)
    #expect(shapes["model.layers.1.self_attn.q_proj.weight"] == [12, 8])
    #expect(shapes["model.layers.1.self_attn.k_norm.weight"] == [6])
    #expect(shapes["model.layers.0.mlp.down_proj.weight"] == [8, 5])
    #expect(shapes["lm_head.weight"] == [9, 8])
  }

  @Test func matricesOfGPT2HaveInputsFirst() throws {
    let found = try configuration(
      #"{"model_type": "gpt2", "n_embd": 8, "n_head": 2, "n_layer": 1, "n_positions": 4}"#)
    let shapes = Dictionary(uniqueKeysWithValues: found.tensorShapes.map { ($0.name, $0.shape) })
    #expect(shapes.count == 2 + 12 + 2)
    #expect(shapes["transformer.h.0.attn.c_attn.weight"] == [8, 24])
    #expect(shapes["transformer.h.0.attn.c_attn.bias"] == [24])
    #expect(shapes["transformer.h.0.mlp.c_proj.weight"] == [32, 8])
    #expect(shapes["transformer.wpe.weight"] == [4, 8])
  }

  @Test func positionsOfOPTBeginInTheThirdRow() throws {
    let found = try configuration(
      #"{"model_type": "opt", "hidden_size": 8, "num_attention_heads": 2, "max_position_embeddings": 4, "num_hidden_layers": 1}"#
    )
    let shapes = Dictionary(uniqueKeysWithValues: found.tensorShapes.map { ($0.name, $0.shape) })
    #expect(shapes["model.decoder.embed_positions.weight"] == [6, 8])
    #expect(found.positionCount == 4)
  }
}
