// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Tensors

/// A frozen decoder of the Llama family: its configuration and its weights.
///
/// Immutable, and shared by all who compute with it. Matrices stay in the checkpoint's files as they
/// are stored there, which must not change meanwhile; norms and biases are floats in memory.
/// Projections that read the same input lie one under the other in one matrix, so that each block
/// has four matrix products.
public final class DecoderModel: Sendable {
  /// What the model looks like.
  public let configuration: ModelConfiguration

  /// What products of weights are made of.
  public var arithmetic: ProductArithmetic { head_VC.arithmetic }

  let embedding_VC: FrozenMatrix
  let blocks: [BlockWeights]
  let finalNorm_C: [Float]
  let head_VC: FrozenMatrix

  /// Looks at all weights of a checkpoint once.
  ///
  /// - Throws: if a tensor is missing or has a value that is not finite.
  public init(_ checkpoint: Checkpoint) throws(CheckpointError) {
    configuration = checkpoint.configuration
    embedding_VC = try FrozenMatrix(checkpoint, ["model.embed_tokens.weight"])
    var blocks: [BlockWeights] = []
    for layer in 0..<configuration.layerCount {
      blocks.append(try BlockWeights(checkpoint, layer: layer))
    }
    self.blocks = blocks
    finalNorm_C = try checkpoint.floats(of: "model.norm.weight")
    head_VC =
      configuration.tiedHead ? embedding_VC : try FrozenMatrix(checkpoint, ["lm_head.weight"])
  }

  private init(_ model: DecoderModel, arithmetic: ProductArithmetic) {
    configuration = model.configuration
    embedding_VC = model.embedding_VC.computing(in: arithmetic)
    blocks = model.blocks.map { $0.computing(in: arithmetic) }
    finalNorm_C = model.finalNorm_C
    head_VC = model.head_VC.computing(in: arithmetic)
  }

  /// The same weights, in products of another kind; a model begins with single precision.
  public func computing(in arithmetic: ProductArithmetic) -> DecoderModel {
    DecoderModel(self, arithmetic: arithmetic)
  }

  /// All matrices, each once.
  var matrices: [FrozenMatrix] {
    [embedding_VC] + blocks.flatMap(\.matrices) + (configuration.tiedHead ? [] : [head_VC])
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
  private(set) var weights: FrozenMatrix
  let bias: [Float]?

  /// Puts the weights, and biases if there are any, of some layers one under the other.
  init(
    _ checkpoint: Checkpoint, layer: Int, _ projections: [Projection], hasBias: Bool
  ) throws(CheckpointError) {
    let names = projections.map { "model.layers.\(layer).\($0.path)" }
    weights = try FrozenMatrix(checkpoint, names.map { "\($0).weight" })
    guard hasBias else {
      bias = nil
      return
    }
    var biases: [Float] = []
    for name in names { biases += try checkpoint.floats(of: "\(name).bias") }
    bias = biases
  }

  /// The same layer, in products of another kind.
  func computing(in arithmetic: ProductArithmetic) -> FrozenLinear {
    var layer = self
    layer.weights = weights.computing(in: arithmetic)
    return layer
  }
}

/// The frozen weights of one block.
struct BlockWeights: Sendable {
  let attentionNorm_C: [Float]
  private(set) var queryKeyValue: FrozenLinear
  /// The norms' weights of queries and of keys, if heads are normalised.
  let headNorms: (query: [Float], key: [Float])?
  private(set) var output: FrozenLinear
  let feedForwardNorm_C: [Float]
  private(set) var gateUp: FrozenLinear
  private(set) var down: FrozenLinear

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
  /// All matrices.
  var matrices: [FrozenMatrix] { [queryKeyValue, output, gateUp, down].map(\.weights) }

  /// The same block, in products of another kind.
  func computing(in arithmetic: ProductArithmetic) -> BlockWeights {
    var block = self
    block.queryKeyValue = queryKeyValue.computing(in: arithmetic)
    block.output = output.computing(in: arithmetic)
    block.gateUp = gateUp.computing(in: arithmetic)
    block.down = down.computing(in: arithmetic)
    return block
  }
}
