// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Tensors

/// A frozen decoder: its configuration and its weights.
///
/// Immutable, and shared by all who compute with it. Matrices stay in the checkpoint's files as they
/// are stored there, which must not change meanwhile, or are packed in memory for a unit that
/// multiplies bfloat16; norms and biases are floats in memory.
/// Projections that read the same input lie one under the other in one matrix, so that each block
/// has four matrix products.
public final class DecoderModel: Sendable {
  /// What the model looks like.
  public let configuration: ModelConfiguration

  /// What products of weights are made of.
  public var arithmetic: ProductArithmetic { head_VC.arithmetic }

  let embedding_VC: FrozenMatrix
  /// What is added to the embedding of tokens, where positions are learned.
  let positions: LearnedPositions?
  let blocks: [BlockWeights]
  let finalNorm: FrozenNorm
  let head_VC: FrozenMatrix

  /// What was computed in before and may be computed in again.
  let idleWorkspaces = IdleWorkspaces()

  /// Looks at all weights of a checkpoint once.
  ///
  /// - Parameter quantization: makes fewer bits of the matrices of linear layers, which then are in
  ///   this process's memory; embeddings, the head, norms and biases stay what they are.
  /// - Throws: if a tensor is missing or has a value that is not finite.
  public init(
    _ checkpoint: Checkpoint, quantization: Quantization? = nil
  ) throws(CheckpointError) {
    configuration = checkpoint.configuration
    let architecture = configuration.architecture
    embedding_VC = try FrozenMatrix(checkpoint, ["\(architecture.embedding).weight"])
    positions = try LearnedPositions(checkpoint)
    var blocks: [BlockWeights] = []
    for layer in 0..<configuration.layerCount {
      blocks.append(try BlockWeights(checkpoint, layer: layer, quantization))
    }
    self.blocks = blocks
    finalNorm = try FrozenNorm(checkpoint, architecture.finalNorm)
    head_VC =
      configuration.tiedHead
      ? embedding_VC : try FrozenMatrix(checkpoint, ["\(architecture.head).weight"])
  }

  private init(_ model: DecoderModel, arithmetic: ProductArithmetic) {
    configuration = model.configuration
    blocks = model.blocks.map { $0.computing(in: arithmetic) }
    finalNorm = model.finalNorm
    positions = model.positions
    head_VC = model.head_VC.computing(in: arithmetic)
    // Tables are read, not multiplied.
    embedding_VC = configuration.tiedHead ? head_VC : model.embedding_VC
  }

  /// The same weights, in products of another kind; a model begins with single precision.
  ///
  /// With a unit for bfloat16, matrices of 16 bits a value or more are packed for it by their first
  /// products, in memory that no other model shares.
  public func computing(in arithmetic: ProductArithmetic) -> DecoderModel {
    DecoderModel(self, arithmetic: arithmetic)
  }

  /// The matrices that belong to no block, each once.
  var matricesBesideBlocks: [FrozenMatrix] {
    [embedding_VC] + (positions.map { [$0.table_PC] } ?? [])
      + (configuration.tiedHead ? [] : [head_VC])
  }

  /// How attention of a block reads the rows of queries, keys and values.
  func attentionShape(layer: Int) -> AttentionShape {
    AttentionShape(
      headCount: configuration.headCount, keyValueHeadCount: configuration.keyValueHeadCount,
      headWidth: configuration.headWidth, window: configuration.slidingWindow,
      scalesByWidth: configuration.scalesScoresByWidth,
      divisor: configuration.scalesScoresByLayer ? layer + 1 : 1)
  }
}

/// A table of learned positions.
struct LearnedPositions: Sendable {
  let table_PC: FrozenMatrix
  private let first: Int32

  /// The table of a model; nil if it has none.
  init?(_ checkpoint: Checkpoint) throws(CheckpointError) {
    guard case .learned(let table, let first) = checkpoint.configuration.architecture.positions
    else { return nil }
    table_PC = try FrozenMatrix(checkpoint, ["\(table).weight"])
    self.first = Int32(first)
  }

  /// x += the rows of `positions`; the rows are put into `room`.
  func add(_ positions: [Int32], to x_TC: inout Matrix, in room_TC: inout Matrix) {
    table_PC.gather(positions.map { first + $0 }, into: &room_TC)
    Kernels.add(room_TC, to: &x_TC)
  }
}

/// A frozen linear layer, or several that read the same input: y = x W^T + bias.
struct FrozenLinear: Sendable {
  private(set) var weights: FrozenMatrix
  let bias: [Float]?
  /// Whether the weights are W^T as they are stored, [inputs, outputs].
  let isStoredTransposed: Bool

  /// Puts the weights, and biases if there are any, of the layers of a site one under the other.
  init(
    _ checkpoint: Checkpoint, layer: Int, at site: Site, _ quantization: Quantization?
  ) throws(CheckpointError) {
    let configuration = checkpoint.configuration
    let layers = configuration.linearLayers(at: site)
    let names = layers.map { "\(configuration.block(layer)).\($0.path)" }
    isStoredTransposed = configuration.architecture.storesInputsFirst
    precondition(layers.count == 1 || !isStoredTransposed, "\(names) one under the other")
    weights = try FrozenMatrix(
      checkpoint, names.map { "\($0).weight" }, quantization: quantization)
    guard layers[0].hasBias else {
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

  /// The same layer with other weights.
  func changed(by change: WeightChange) -> FrozenLinear {
    var layer = self
    layer.weights = weights.changed(by: change)
    return layer
  }
}

/// The frozen weights of one block.
struct BlockWeights: Sendable {
  let attentionNorm: FrozenNorm
  private(set) var queryKeyValue: FrozenLinear
  /// The norms' weights of queries and of keys, if heads are normalised.
  let headNorms: (query: [Float], key: [Float])?
  private(set) var output: FrozenLinear
  let feedForwardNorm: FrozenNorm
  /// What is activated, after its gates if there are any.
  private(set) var gateUp: FrozenLinear
  private(set) var down: FrozenLinear

  init(
    _ checkpoint: Checkpoint, layer: Int, _ quantization: Quantization?
  ) throws(CheckpointError) {
    let configuration = checkpoint.configuration
    let (architecture, block) = (configuration.architecture, configuration.block(layer))
    attentionNorm = try FrozenNorm(checkpoint, "\(block).\(architecture.attentionNorm)")
    queryKeyValue = try FrozenLinear(checkpoint, layer: layer, at: .attentionInput, quantization)
    headNorms =
      configuration.queryKeyNorm
      ? (
        try checkpoint.floats(of: "\(block).self_attn.q_norm.weight"),
        try checkpoint.floats(of: "\(block).self_attn.k_norm.weight")
      ) : nil
    output = try FrozenLinear(checkpoint, layer: layer, at: .attentionOutput, quantization)
    feedForwardNorm = try FrozenNorm(checkpoint, "\(block).\(architecture.feedForwardNorm)")
    gateUp = try FrozenLinear(checkpoint, layer: layer, at: .feedForwardInput, quantization)
    down = try FrozenLinear(checkpoint, layer: layer, at: .feedForwardOutput, quantization)
  }

  /// What is computed at a site.
  subscript(site: Site) -> FrozenLinear {
    switch site {
    case .attentionInput: queryKeyValue
    case .attentionOutput: output
    case .feedForwardInput: gateUp
    case .feedForwardOutput: down
    }
  }

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
