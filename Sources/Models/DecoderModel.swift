// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Tensors

/// A frozen decoder of the Llama family: its configuration and its weights.
///
/// Immutable, and shared by all who compute with it. Projections that read the same input lie one
/// under the other in one matrix, so that each block has four matrix products.
public final class DecoderModel: Sendable {
  /// What the model looks like.
  public let configuration: ModelConfiguration

  let embedding_VC: Matrix
  let blocks: [BlockWeights]
  let finalNorm_C: [Float]
  let head_VC: Matrix

  /// Reads all weights of a checkpoint, as 32-bit floats.
  ///
  /// - Throws: if a tensor is missing or has a value that is not finite.
  public init(_ checkpoint: Checkpoint) throws(CheckpointError) {
    configuration = checkpoint.configuration
    let (rows, columns) = (configuration.vocabularySize, configuration.width)
    embedding_VC = Matrix(
      try checkpoint.floats(of: "model.embed_tokens.weight"), rows: rows, columns: columns)
    var blocks: [BlockWeights] = []
    for layer in 0..<configuration.layerCount {
      blocks.append(try BlockWeights(checkpoint, layer: layer))
    }
    self.blocks = blocks
    finalNorm_C = try checkpoint.floats(of: "model.norm.weight")
    // A tied head shares the embedding's memory: arrays are copied on write, and none writes here.
    head_VC =
      configuration.tiedHead
      ? embedding_VC
      : Matrix(try checkpoint.floats(of: "lm_head.weight"), rows: rows, columns: columns)
  }

  /// How attention reads the rows of queries, keys and values.
  var attentionShape: AttentionShape {
    AttentionShape(
      headCount: configuration.headCount, keyValueHeadCount: configuration.keyValueHeadCount,
      headWidth: configuration.headWidth, window: configuration.slidingWindow)
  }
}

/// A frozen linear layer, or several that read the same input: y = x W^T + bias.
struct FrozenLinear: Sendable {
  let weights: Matrix
  let bias: [Float]?

  /// Puts the weights, and biases if there are any, of some layers one under the other.
  init(
    _ checkpoint: Checkpoint, layer: Int, _ projections: [Projection], hasBias: Bool
  ) throws(CheckpointError) {
    let names = projections.map { "model.layers.\(layer).\($0.path)" }
    let shapes = projections.map { checkpoint.configuration.shape(of: $0) }
    let (rows, columns) = (shapes.reduce(0) { $0 + $1.outputs }, shapes[0].inputs)
    var values = [Float](repeating: 0, count: rows * columns)
    try values.withUnsafeMutableBufferPointer { (all) throws(CheckpointError) in
      var start = 0
      for (name, shape) in zip(names, shapes) {
        let end = start + shape.outputs * shape.inputs
        try checkpoint.read(
          "\(name).weight", into: UnsafeMutableBufferPointer(rebasing: all[start..<end]))
        start = end
      }
    }
    weights = Matrix(values, rows: rows, columns: columns)
    guard hasBias else {
      bias = nil
      return
    }
    var biases: [Float] = []
    for name in names { biases += try checkpoint.floats(of: "\(name).bias") }
    bias = biases
  }
}

/// The frozen weights of one block.
struct BlockWeights: Sendable {
  let attentionNorm_C: [Float]
  let queryKeyValue: FrozenLinear
  /// The norms' weights of queries and of keys, if heads are normalised.
  let headNorms: (query: [Float], key: [Float])?
  let output: FrozenLinear
  let feedForwardNorm_C: [Float]
  let gateUp: FrozenLinear
  let down: FrozenLinear

  init(_ checkpoint: Checkpoint, layer: Int) throws(CheckpointError) {
    let configuration = checkpoint.configuration
    let prefix = "model.layers.\(layer)"
    attentionNorm_C = try checkpoint.floats(of: "\(prefix).input_layernorm.weight")
    queryKeyValue = try FrozenLinear(
      checkpoint, layer: layer, [.query, .key, .value], hasBias: configuration.queryKeyValueBias)
    headNorms =
      configuration.queryKeyNorm
      ? (
        try checkpoint.floats(of: "\(prefix).self_attn.q_norm.weight"),
        try checkpoint.floats(of: "\(prefix).self_attn.k_norm.weight")
      ) : nil
    output = try FrozenLinear(
      checkpoint, layer: layer, [.output], hasBias: configuration.outputBias)
    feedForwardNorm_C = try checkpoint.floats(of: "\(prefix).post_attention_layernorm.weight")
    gateUp = try FrozenLinear(
      checkpoint, layer: layer, [.gate, .up], hasBias: configuration.feedForwardBias)
    down = try FrozenLinear(
      checkpoint, layer: layer, [.down], hasBias: configuration.feedForwardBias)
  }
}
