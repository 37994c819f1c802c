// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens, R rows with targets, C width, W queries + keys + values, Q all query heads,
// F feed-forward width, G = F ups, or 2F gates and ups, K ranks of a site, V vocabulary.
internal import Checkpoints
internal import Tensors

/// What is computed in a workspace.
public enum Pass: Hashable, Sendable {
  /// Losses alone, with so many adapters side by side.
  case forward(adapterCount: Int)
  /// A loss and its gradient. Of so many of the blocks that the backward passes, the lowest first,
  /// nothing is kept but the input, and they are computed again: more time, less memory, same bits.
  case step(recomputing: Int)

  /// How many blocks are computed again.
  var recomputedBlockCount: Int {
    if case .step(let count) = self { count } else { 0 }
  }
}

/// The memory of a model's computations, used again from step to step.
///
/// It is taken as a whole, for batches of some extent, and grows only when one is larger. It holds
/// nothing that a later computation reads: results do not depend on what was computed in it before.
public struct Workspace: Sendable {
  /// The residual stream on the way up, then its gradient on the way down.
  var stream: Matrix
  /// What the backward needs of each block that keeps it; slot 0 is for blocks that do not.
  var saved: [SavedBlock]
  /// The inputs of the blocks that are computed again in the backward, the lowest adapted first.
  var inputs_TC: [Matrix]
  var scratch: Scratch
  /// The batch being computed, left by the forward for the backward.
  var batch: BatchLayout

  /// What it was made for.
  let pass: Pass
  /// Batches of this extent need no more memory.
  let extent: BatchExtent

  init(for model: AdaptedModel, _ pass: Pass, of extent: BatchExtent, in arena: inout Arena) {
    precondition(pass.recomputedBlockCount >= 0, "\(pass.recomputedBlockCount) computed again")
    self.pass = pass
    self.extent = extent
    let (configuration, passed) = (model.base.configuration, model.passedLayers)
    let recomputedCount = min(passed.count, pass.recomputedBlockCount)
    var (room, kept, backward) = (extent, extent, extent)
    var needsSlot = true
    switch pass {
    case .forward(let adapterCount):
      (room, kept, backward) = (extent.times(adapterCount), .none, .none)
    case .step: needsSlot = passed.lowerBound > 0 || recomputedCount > 0
    }
    stream = arena.matrix(rows: room.tokenCount, columns: configuration.width)
    saved = [SavedBlock(of: nil, in: model, needsSlot ? room : .none, &arena)]
    for layer in passed.dropFirst(recomputedCount) {
      saved.append(SavedBlock(of: layer, in: model, kept, &arena))
    }
    inputs_TC = []
    for _ in 0..<recomputedCount {
      inputs_TC.append(arena.matrix(rows: kept.tokenCount, columns: configuration.width))
    }
    scratch = Scratch(model, forward: room, backward: backward, &arena)
    batch = BatchLayout(table: RotaryTable(frequencies: configuration.rotaryFrequencies))
  }

  /// Where the block of `layer` is computed, in a pass that saves from layer `lowest` on.
  func slot(_ layer: Int, from lowest: Int?) -> Int {
    guard let lowest else { return 0 }
    return max(0, layer - lowest - pass.recomputedBlockCount + 1)
  }
}

/// What the backward pass of a block needs of its forward pass.
struct SavedBlock: Sendable {
  /// The block's input.
  var input_TC: Matrix
  var inputStatistics: [Float]
  /// Queries, keys and values before the heads' norms, if there are any.
  var plain_TW: Matrix
  var queryReciprocals: [Float]
  var keyReciprocals: [Float]
  /// Queries and keys after norm and rotation; values.
  var qkv_TW: Matrix
  var statistics: AttentionStatistics
  var attention_TQ: Matrix
  /// The stream between attention and feed-forward part; in the last block, of rows with targets.
  var middle_TC: Matrix
  var middleStatistics: [Float]
  /// Ups, after gates if there are any; replaced by their gradients in the backward.
  var gateUp_TG: Matrix
  /// x A^T of each site.
  var lowered_TK: [Matrix]

  /// Of the block of `layer`; of any block if it is nil.
  init(of layer: Int?, in model: AdaptedModel, _ extent: BatchExtent, _ arena: inout Arena) {
    let (configuration, shape) = (model.base.configuration, model.base.attentionShape(layer: 0))
    let isLast = layer == configuration.layerCount - 1
    let (tokens, rows) = (extent.tokenCount, isLast ? extent.targetRowCount : extent.tokenCount)
    let normedHeads = configuration.queryKeyNorm ? tokens : 0
    let statistics = model.base.finalNorm.statisticCount
    input_TC = arena.matrix(rows: tokens, columns: configuration.width)
    inputStatistics = arena.floats(tokens * statistics)
    plain_TW = arena.matrix(rows: normedHeads, columns: shape.rowWidth)
    queryReciprocals = arena.floats(normedHeads * shape.headCount)
    keyReciprocals = arena.floats(normedHeads * shape.keyValueHeadCount)
    qkv_TW = arena.matrix(rows: tokens, columns: shape.rowWidth)
    self.statistics = arena.attentionStatistics(tokens * shape.headCount)
    attention_TQ = arena.matrix(rows: tokens, columns: shape.queryWidth)
    middle_TC = arena.matrix(rows: rows, columns: configuration.width)
    middleStatistics = arena.floats(rows * statistics)
    gateUp_TG = arena.matrix(rows: rows, columns: configuration.activatedWidth)
    lowered_TK = []
    for site in Site.allCases {
      let ranks = layer.map { model.rankCount(at: site, ofBlock: $0) } ?? model.rankCount(at: site)
      let rows = site == .attentionInput ? tokens : rows
      lowered_TK.append(arena.matrix(rows: ranks == 0 ? 0 : rows, columns: max(1, ranks)))
    }
  }
}

/// What is used within a block, or within the head, and then forgotten.
struct Scratch: Sendable {
  var normed_TC: Matrix
  var selected_RQ: Matrix
  var activation_TF: Matrix
  var attention: AttentionScratch
  var headStatistics: [Float]
  var tile: TileRoom
  var logits_RV: Matrix

  var dLowered_TK: Matrix
  var dActivation_TF: Matrix
  var dNormed_TC: Matrix
  var dAttention_TQ: Matrix
  var dSelected_RQ: Matrix
  var dqkv_TW: Matrix
  var dStream_TC: Matrix

  init(
    _ model: AdaptedModel, forward: BatchExtent, backward: BatchExtent, _ arena: inout Arena
  ) {
    let (base, configuration) = (model.base, model.base.configuration)
    let (shape, width) = (base.attentionShape(layer: 0), configuration.width)
    let (tokens, targets) = (forward.tokenCount, forward.targetRowCount)
    let logits = min(AdaptedModel.logitRowCount, targets)
    normed_TC = arena.matrix(rows: tokens, columns: width)
    selected_RQ = arena.matrix(rows: targets, columns: shape.queryWidth)
    activation_TF = arena.matrix(rows: tokens, columns: configuration.feedForwardWidth)
    attention = arena.attentionScratch(
      shape, longest: forward.longestSequence, base.arithmetic,
      dotCount: backward.tokenCount * shape.headCount)
    headStatistics = arena.floats(targets * base.finalNorm.statisticCount)
    tile = arena.tileRoom(
      model.blockMatrices.reduce(base.head_VC.room(forRows: logits)) {
        $0.union($1.room(forRows: tokens))
      })
    logits_RV = arena.matrix(rows: logits, columns: configuration.vocabularySize)

    let ranks = Site.allCases.map { model.rankCount(at: $0) }.max() ?? 0
    dLowered_TK = arena.matrix(rows: ranks == 0 ? 0 : backward.tokenCount, columns: max(1, ranks))
    dActivation_TF = arena.matrix(
      rows: backward.tokenCount, columns: configuration.feedForwardWidth)
    dNormed_TC = arena.matrix(rows: backward.tokenCount, columns: width)
    dAttention_TQ = arena.matrix(rows: backward.tokenCount, columns: shape.queryWidth)
    dSelected_RQ = arena.matrix(rows: backward.targetRowCount, columns: shape.queryWidth)
    dqkv_TW = arena.matrix(rows: backward.tokenCount, columns: shape.rowWidth)
    dStream_TC = arena.matrix(rows: backward.tokenCount, columns: width)
  }
}

extension AdaptedModel {
  /// The matrices of all blocks, as an adapter has changed them.
  var blockMatrices: [FrozenMatrix] {
    zip(base.blocks, blocks).flatMap { weights, adapter in
      Site.allCases.map { site in
        adapter.change(at: site).map {
          weights[site].weights.changed(by: WeightChange(site: $0, parameters: []))
        } ?? weights[site].weights
      }
    }
  }

  /// The blocks that the backward passes.
  var passedLayers: Range<Int> {
    (lowestAdaptedLayer ?? base.configuration.layerCount)..<base.configuration.layerCount
  }

  /// The ranks of all adapted projections of a site in one block.
  fileprivate func rankCount(at site: Site, ofBlock layer: Int) -> Int {
    blocks[layer][site]?.rankCount ?? 0
  }

  /// The most ranks that a site has in any block.
  fileprivate func rankCount(at site: Site) -> Int {
    blocks.map { $0[site]?.rankCount ?? 0 }.max() ?? 0
  }
}
