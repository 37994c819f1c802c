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

  /// The stream after the block; in the last, only its rows with targets.
  func forward(
    _ batch: BatchLayout, _ parameters: [Float], stream: inout Matrix, saved: inout SavedBlock,
    scratch: inout Scratch
  ) {
    swap(&stream, &saved.input_TC)
    computeToGates(batch, parameters, &saved, &scratch)
    weights.down.forward(
      scratch.activation_TF, adapter[.feedForwardOutput], parameters,
      lowered: &saved.lowered_TK[Site.feedForwardOutput.rawValue], tile: &scratch.tile,
      into: &stream)
    Kernels.add(saved.middle_TC, to: &stream)
  }

  /// All that the backward needs, from the block's input in `saved`: the same bits as the forward
  /// left there.
  func recompute(
    _ batch: BatchLayout, _ parameters: [Float], saved: inout SavedBlock, scratch: inout Scratch
  ) {
    computeToGates(batch, parameters, &saved, &scratch)
    adapter[.feedForwardOutput]?.lower(
      scratch.activation_TF, parameters,
      into: &saved.lowered_TK[Site.feedForwardOutput.rawValue])
  }

  private func computeToGates(
    _ batch: BatchLayout, _ parameters: [Float], _ saved: inout SavedBlock,
    _ scratch: inout Scratch
  ) {
    attend(batch, parameters, &saved, &scratch)
    if isLast {
      Kernels.gather(batch.targetRows, of: saved.attention_TQ, into: &scratch.selected_RQ)
    }
    weights.output.forward(
      isLast ? scratch.selected_RQ : saved.attention_TQ, adapter[.attentionOutput], parameters,
      lowered: &saved.lowered_TK[Site.attentionOutput.rawValue], tile: &scratch.tile,
      into: &saved.middle_TC)
    if isLast {
      Kernels.add(batch.targetRows, of: saved.input_TC, to: &saved.middle_TC)
    } else {
      Kernels.add(saved.input_TC, to: &saved.middle_TC)
    }
    weights.feedForwardNorm.forward(
      saved.middle_TC, statistics: &saved.middleStatistics, into: &scratch.normed_TC)
    weights.gateUp.forward(
      scratch.normed_TC, adapter[.feedForwardInput], parameters,
      lowered: &saved.lowered_TK[Site.feedForwardInput.rawValue], tile: &scratch.tile,
      into: &saved.gateUp_TG)
    configuration.activation.forward(saved.gateUp_TG, into: &scratch.activation_TF)
  }

  private func attend(
    _ batch: BatchLayout, _ parameters: [Float], _ saved: inout SavedBlock,
    _ scratch: inout Scratch
  ) {
    weights.attentionNorm.forward(
      saved.input_TC, statistics: &saved.inputStatistics, into: &scratch.normed_TC)
    weights.queryKeyValue.forward(
      scratch.normed_TC, adapter[.attentionInput], parameters,
      lowered: &saved.lowered_TK[Site.attentionInput.rawValue], tile: &scratch.tile,
      into: &saved.qkv_TW)
    normalizeHeads(&saved)
    Kernels.rotate(
      &saved.qkv_TW, headCount: attention.headCount + attention.keyValueHeadCount,
      positions: batch.positions, table: batch.table)
    Kernels.attend(
      saved.qkv_TW, attention, batch.sequences, statistics: &saved.statistics,
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
