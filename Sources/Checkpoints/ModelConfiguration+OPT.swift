// SPDX-License-Identifier: Apache-2.0
internal import JSON

extension ModelConfiguration {
  /// The configuration in the `config.json` of an OPT, with transformers' defaults.
  init(opt file: ConfigurationFile) throws(CheckpointError) {
    family = .opt
    vocabularySize = try file.integer("vocab_size", default: 50272)
    width = try file.integer("hidden_size", default: 768)
    try Self.refuseUnsupportedOPT(file, width: width)
    layerCount = try file.integer("num_hidden_layers", default: 12)
    headCount = try file.integer("num_attention_heads", default: 12)
    keyValueHeadCount = headCount
    headWidth = try Self.headWidth(of: width, headCount: headCount, file)
    feedForwardWidth = try file.integer("ffn_dim", default: 3072)
    activation = try Self.activation(file, default: "relu")
    normEpsilon = 1e-5
    tiedHead = try file.truth("tie_word_embeddings", default: true)
    let hasBiases = try file.truth("enable_bias", default: true)
    (queryKeyValueBias, outputBias, feedForwardBias) = (hasBiases, hasBiases, hasBiases)
    queryKeyNorm = false
    contextLength = try file.integer("max_position_embeddings", default: 2048)
    (beginToken, endTokens) = try Self.textTokens(file, begin: 2, ends: [2])
    self = try checked(path: file.path)
  }

  /// The 350M model alone differs in these.
  private static func refuseUnsupportedOPT(
    _ file: ConfigurationFile, width: Int
  ) throws(CheckpointError) {
    for (key, needed) in [
      ("do_layer_norm_before", true), ("layer_norm_elementwise_affine", true),
      ("_remove_final_layer_norm", false),
    ] where try file.truth(key, default: needed) != needed {
      throw .unsupported(path: file.path, what: "\(key) \(!needed)", supported: "\(needed)")
    }
    let embeddingWidth = try file.integer("word_embed_proj_dim", default: width)
    guard embeddingWidth == width else {
      throw .unsupported(
        path: file.path, what: "word_embed_proj_dim \(embeddingWidth)",
        supported: "that of hidden_size, \(width)")
    }
  }
}
