// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens, R rows with targets, C width, W queries + keys + values, Q all query heads,
// F feed-forward width, G = F ups, or 2F gates and ups.
internal import Checkpoints
internal import Tensors

/// One block of a model with its adapter: what is needed to compute it.
struct Block {
  let configuration: ModelConfiguration
  let weights: BlockWeights
  let adapter: BlockAdapter
  let attention: AttentionShape
  /// The last block computes all after its attention for rows with targets only.
  let isLast: Bool

  /// What its products are made of, but for those with the adapter.
  var arithmetic: ProductArithmetic { weights.queryKeyValue.weights.arithmetic }

  /// The stream after the block; in the last, only its rows with targets.
  func forward(
    _ batch: inout BatchLayout, _ copies: inout AdapterCopies, stream: inout Matrix,
    saved: inout SavedBlock, scratch: inout Scratch
  ) {
    swap(&stream, &saved.input_TC)
    computeToGates(&batch, &copies, &saved, &scratch)
    apply(
      .feedForwardOutput, weights.down, scratch.activation_TF, &batch, &copies,
      lowered: &saved.lowered_TK, tile: &scratch.tile, into: &stream, beside: &saved.middle_TC)
    Kernels.add(saved.middle_TC, to: &stream)
  }

  /// y = what the linear layers of a site and its adapters make of x.
  ///
  /// Where the pass forks, the rows of y, of the stream beside it and of the batch become those of
  /// all adapters.
  private func apply(
    _ site: Site, _ linear: FrozenLinear, _ x: Matrix, _ batch: inout BatchLayout,
    _ copies: inout AdapterCopies, lowered: inout [Matrix], tile: inout TileRoom,
    into y: inout Matrix, beside stream: inout Matrix
  ) {
    let partCount = copies.partCount
    let forks = copies.forks(at: site)
    if let change = adapter.change(at: site) {
      change.forward(
        x, linear, copies.partParameters, isShared: forks, tile: &tile, into: &y)
    } else {
      linear.forward(x, partCount: partCount, tile: &tile, into: &y)
      if forks { y.repeatRows(copies.partCount) }
    }
    if forks {
      stream.repeatRows(copies.partCount)
      batch.repeatRows(copies.partCount)
    }
    adapter[site]?.add(
      x, copies.partParameters, lowered: &lowered[site.rawValue], to: &y)
  }

  /// All that the backward needs, from the block's input in `saved`: the same bits as the forward
  /// left there.
  func recompute(
    _ batch: inout BatchLayout, _ copies: inout AdapterCopies, saved: inout SavedBlock,
    scratch: inout Scratch
  ) {
    computeToGates(&batch, &copies, &saved, &scratch)
    let site = Site.feedForwardOutput.rawValue
    adapter[.feedForwardOutput]?.lower(
      scratch.activation_TF, copies.parameters[0], into: &saved.lowered_TK[site])
  }

  private func computeToGates(
    _ batch: inout BatchLayout, _ copies: inout AdapterCopies, _ saved: inout SavedBlock,
    _ scratch: inout Scratch
  ) {
    attend(&batch, &copies, &saved, &scratch)
    if isLast {
      Kernels.gather(batch.targetRows, of: saved.attention_TQ, into: &scratch.selected_RQ)
    }
    apply(
      .attentionOutput, weights.output, isLast ? scratch.selected_RQ : saved.attention_TQ, &batch,
      &copies, lowered: &saved.lowered_TK, tile: &scratch.tile, into: &saved.middle_TC,
      beside: &saved.input_TC)
    if isLast {
      Kernels.add(batch.targetRows, of: saved.input_TC, to: &saved.middle_TC)
    } else {
      Kernels.add(saved.input_TC, to: &saved.middle_TC)
    }
    weights.feedForwardNorm.forward(
      saved.middle_TC, statistics: &saved.middleStatistics, into: &scratch.normed_TC)
    apply(
      .feedForwardInput, weights.gateUp, scratch.normed_TC, &batch, &copies,
      lowered: &saved.lowered_TK, tile: &scratch.tile, into: &saved.gateUp_TG,
      beside: &saved.middle_TC)
    configuration.activation.forward(saved.gateUp_TG, into: &scratch.activation_TF)
  }

  private func attend(
    _ batch: inout BatchLayout, _ copies: inout AdapterCopies, _ saved: inout SavedBlock,
    _ scratch: inout Scratch
  ) {
    weights.attentionNorm.forward(
      saved.input_TC, statistics: &saved.inputStatistics, into: &scratch.normed_TC)
    apply(
      .attentionInput, weights.queryKeyValue, scratch.normed_TC, &batch, &copies,
      lowered: &saved.lowered_TK, tile: &scratch.tile, into: &saved.qkv_TW,
      beside: &saved.input_TC)
    normalizeHeads(&saved)
    Kernels.rotate(
      &saved.qkv_TW, headCount: attention.headCount + attention.keyValueHeadCount,
      positions: batch.positions, table: batch.table)
    Kernels.attend(
      saved.qkv_TW, attention, batch.sequences, in: arithmetic, statistics: &saved.statistics,
      scratch: &scratch.attention, into: &saved.attention_TQ)
  }

  private func normalizeHeads(_ saved: inout SavedBlock) {
    guard let norms = weights.headNorms else { return }
    Kernels.copy(saved.qkv_TW, into: &saved.plain_TW)
    Kernels.normalizeHeads(
      of: &saved.qkv_TW, from: 0, heads: attention.headCount, weight: norms.query,
      epsilon: configuration.normEpsilon, reciprocals: &saved.queryReciprocals)
    Kernels.normalizeHeads(
      of: &saved.qkv_TW, from: attention.queryWidth, heads: attention.keyValueHeadCount,
      weight: norms.key, epsilon: configuration.normEpsilon, reciprocals: &saved.keyReciprocals)
  }
}
