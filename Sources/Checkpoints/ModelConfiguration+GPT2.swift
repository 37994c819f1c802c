// SPDX-License-Identifier: Apache-2.0
internal import JSON

extension ModelConfiguration {
  /// The configuration in the `config.json` of a GPT-2, with transformers' defaults.
  init(gpt2 file: ConfigurationFile) throws(CheckpointError) {
    guard try !file.truth("add_cross_attention", default: false) else {
      throw .unsupported(path: file.path, what: "cross-attention", supported: "decoders alone")
    }
    family = .gpt2
    vocabularySize = try file.integer("vocab_size", default: 50257)
    width = try file.integer("n_embd", default: 768)
    layerCount = try file.integer("n_layer", default: 12)
    headCount = try file.integer("n_head", default: 12)
    keyValueHeadCount = headCount
    headWidth = try Self.headWidth(of: width, headCount: headCount, file)
    feedForwardWidth = try file.integer("n_inner") ?? Self.times4(width)
    activation = try Self.activation(file, default: "gelu_new")
    normEpsilon = Float(try file.number("layer_norm_epsilon", default: 1e-5))
    tiedHead = try file.truth("tie_word_embeddings", default: true)
    (queryKeyValueBias, outputBias, feedForwardBias) = (true, true, true)
    queryKeyNorm = false
    // Scores are 32-bit floats here anyway, which is all that reorder_and_upcast_attn asks for.
    scalesScoresByWidth = try file.truth("scale_attn_weights", default: true)
    scalesScoresByLayer = try file.truth("scale_attn_by_inverse_layer_idx", default: false)
    contextLength = try file.integer("n_positions", default: 1024)
    (beginToken, endTokens) = try Self.textTokens(file, begin: 50256, ends: [50256])
    self = try checked(path: file.path)
  }

  private static func times4(_ width: Int) -> Int {
    let (product, overflows) = width.multipliedReportingOverflow(by: 4)
    return overflows ? .max : product
  }
}
