// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens, R rows with targets, C width, W queries + keys + values, Q all query heads,
// F feed-forward width, G = F ups, or 2F gates and ups, K ranks of a site, V vocabulary.
internal import Checkpoints
internal import Tensors

/// The memory of a model's computations, used again from step to step.
///
/// It grows to what the largest batch needs and then stays. It holds nothing that a later
/// computation reads: results do not depend on what was computed in it before.
public struct Workspace: Sendable {
  /// The residual stream on the way up, then its gradient on the way down.
  var stream: Matrix
  /// What the backward needs of each block that keeps it; slot 0 is for blocks that do not.
  var saved: [SavedBlock]
  /// The inputs of the blocks that are computed again in the backward, the lowest adapted first.
  var inputs_TC: [Matrix] = []
  var scratch: Scratch
  /// The batch being computed, left by the forward for the backward.
  var batch: BatchLayout

  /// How many of the blocks that the backward passes keep nothing but their input, and are computed
  /// again there: more time and less memory, and the same bits.
  let recomputedBlockCount: Int

  init(for model: AdaptedModel, recomputing recomputedBlockCount: Int) {
    precondition(recomputedBlockCount >= 0, "\(recomputedBlockCount) blocks computed again")
    let configuration = model.base.configuration
    stream = Matrix(rows: 0, columns: configuration.width)
    saved = [SavedBlock(configuration)]
    scratch = Scratch(configuration)
    batch = BatchLayout(table: RotaryTable(frequencies: configuration.rotaryFrequencies))
    self.recomputedBlockCount = recomputedBlockCount
  }

  /// Makes sure that there is room for a backward pass of `count` blocks.
  mutating func reserve(blocks count: Int, _ configuration: ModelConfiguration) {
    let recomputed = min(count, recomputedBlockCount)
    while inputs_TC.count < recomputed {
      inputs_TC.append(Matrix(rows: 0, columns: configuration.width))
    }
    while saved.count < 1 + count - recomputed { saved.append(SavedBlock(configuration)) }
  }

  /// Where the block of `layer` is computed, in a pass that saves from layer `lowest` on.
  func slot(_ layer: Int, from lowest: Int?) -> Int {
    guard let lowest else { return 0 }
    return max(0, layer - lowest - recomputedBlockCount + 1)
  }
}

/// What the backward pass of a block needs of its forward pass.
struct SavedBlock: Sendable {
  /// The block's input.
  var input_TC: Matrix
  var inputStatistics: [Float] = []
  /// Queries, keys and values before the heads' norms, if there are any.
  var plain_TW: Matrix
  var queryReciprocals: [Float] = []
  var keyReciprocals: [Float] = []
  /// Queries and keys after norm and rotation; values.
  var qkv_TW: Matrix
  var statistics = AttentionStatistics()
  var attention_TQ: Matrix
  /// The stream between attention and feed-forward part; in the last block, of rows with targets.
  var middle_TC: Matrix
  var middleStatistics: [Float] = []
  /// Ups, after gates if there are any; replaced by their gradients in the backward.
  var gateUp_TG: Matrix
  /// x A^T of each site.
  var lowered_TK: [Matrix]

  init(_ configuration: ModelConfiguration) {
    let width = configuration.width
    let queryWidth = configuration.shape(of: .query).outputs
    let rowWidth = queryWidth + 2 * configuration.shape(of: .key).outputs
    input_TC = Matrix(rows: 0, columns: width)
    plain_TW = Matrix(rows: 0, columns: rowWidth)
    qkv_TW = Matrix(rows: 0, columns: rowWidth)
    attention_TQ = Matrix(rows: 0, columns: queryWidth)
    middle_TC = Matrix(rows: 0, columns: width)
    gateUp_TG = Matrix(rows: 0, columns: configuration.activatedWidth)
    lowered_TK = Site.allCases.map { _ in Matrix(rows: 0, columns: 1) }
  }
}

/// What is used within a block, or within the head, and then forgotten.
struct Scratch: Sendable {
  var normed_TC: Matrix
  var selected_RQ: Matrix
  var activation_TF: Matrix
  var attention = AttentionScratch()
  var headStatistics: [Float] = []
  var tile = TileRoom()
  var logits_RV: Matrix

  var dLowered_TK: Matrix
  var dActivation_TF: Matrix
  var dNormed_TC: Matrix
  var dAttention_TQ: Matrix
  var dSelected_RQ: Matrix
  var dqkv_TW: Matrix
  var dStream_TC: Matrix

  init(_ configuration: ModelConfiguration) {
    let (width, feedForward) = (configuration.width, configuration.feedForwardWidth)
    let queryWidth = configuration.shape(of: .query).outputs
    let rowWidth = queryWidth + 2 * configuration.shape(of: .key).outputs
    normed_TC = Matrix(rows: 0, columns: width)
    selected_RQ = Matrix(rows: 0, columns: queryWidth)
    activation_TF = Matrix(rows: 0, columns: feedForward)
    logits_RV = Matrix(rows: 0, columns: configuration.vocabularySize)
    dLowered_TK = Matrix(rows: 0, columns: 1)
    dActivation_TF = Matrix(rows: 0, columns: feedForward)
    dNormed_TC = Matrix(rows: 0, columns: width)
    dAttention_TQ = Matrix(rows: 0, columns: queryWidth)
    dSelected_RQ = Matrix(rows: 0, columns: queryWidth)
    dqkv_TW = Matrix(rows: 0, columns: rowWidth)
    dStream_TC = Matrix(rows: 0, columns: width)
  }
}
