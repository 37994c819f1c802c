// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens, R rows with targets, C width, W queries + keys + values, Q all query heads,
// F feed-forward width, G = F ups, or 2F gates and ups.
internal import Checkpoints
internal import Tensors

extension Block {
  /// Turns the gradient of the block's output, in `stream`, into that of its input, and adds the
  /// adapter's to `gradient`.
  ///
  /// In the lowest adapted block, nothing is computed below the lowest adapted site, and what is
  /// left in `stream` means nothing.
  func backward(
    _ batch: BatchLayout, _ parameters: [Float], isLowest: Bool, stream: inout Matrix,
    saved: inout SavedBlock, scratch: inout Scratch, addingTo gradient: inout [Float]
  ) {
    let lowest = isLowest ? adapter.lowestSite : nil
    for site in Site.allCases.reversed() {
      let step = Step(site: site, needsInput: site != lowest, parameters: parameters)
      switch site {
      case .feedForwardOutput: activation(step, stream, &saved, &scratch, &gradient)
      case .feedForwardInput: feedForward(step, &stream, saved, &scratch, &gradient)
      case .attentionOutput: output(step, batch, &stream, saved, &scratch, &gradient)
      case .attentionInput: attend(step, batch, &stream, saved, &scratch, &gradient)
      }
      if !step.needsInput { return }
    }
  }

  /// One site on the way down.
  private struct Step {
    let site: Site
    /// Whether the gradient of the site's input is asked for.
    let needsInput: Bool
    let parameters: [Float]
  }

  private func learnsA(_ site: Site) -> Bool { adapter[site]?.learnsA ?? false }

  private func backward(
    _ step: Step, _ linear: FrozenLinear, _ dy: Matrix, x: Matrix, _ saved: SavedBlock,
    lowered: inout Matrix, tile: inout TileRoom, into dx: inout Matrix, _ gradient: inout [Float]
  ) {
    linear.backward(
      dy, x: x, lowered: saved.lowered_TK[step.site.rawValue], adapter[step.site], step.parameters,
      inputGradient: step.needsInput, lowered: &lowered, tile: &tile, into: &dx, addingTo: &gradient
    )
  }

  /// Through the down projection and the activation: gates and ups become their gradients.
  private func activation(
    _ step: Step, _ stream: Matrix, _ saved: inout SavedBlock, _ scratch: inout Scratch,
    _ gradient: inout [Float]
  ) {
    if learnsA(step.site) {
      configuration.activation.forward(saved.gateUp_TG, into: &scratch.activation_TF)
    }
    backward(
      step, weights.down, stream, x: scratch.activation_TF, saved, lowered: &scratch.dLowered_TK,
      tile: &scratch.tile,
      into: &scratch.dActivation_TF, &gradient)
    if step.needsInput {
      configuration.activation.replaceByGradient(scratch.dActivation_TF, &saved.gateUp_TG)
    }
  }

  /// Through what is activated and its norm, to the stream between the two parts.
  private func feedForward(
    _ step: Step, _ stream: inout Matrix, _ saved: SavedBlock, _ scratch: inout Scratch,
    _ gradient: inout [Float]
  ) {
    if learnsA(step.site) {
      weights.feedForwardNorm.again(
        saved.middle_TC, statistics: saved.middleStatistics, into: &scratch.normed_TC)
    }
    backward(
      step, weights.gateUp, saved.gateUp_TG, x: scratch.normed_TC, saved,
      lowered: &scratch.dLowered_TK, tile: &scratch.tile, into: &scratch.dNormed_TC, &gradient)
    guard step.needsInput else { return }
    weights.feedForwardNorm.addGradient(
      scratch.dNormed_TC, x: saved.middle_TC, statistics: saved.middleStatistics, to: &stream)
  }

  /// Through the output projection, back to all tokens.
  private func output(
    _ step: Step, _ batch: BatchLayout, _ stream: inout Matrix, _ saved: SavedBlock,
    _ scratch: inout Scratch, _ gradient: inout [Float]
  ) {
    guard isLast else {
      backward(
        step, weights.output, stream, x: saved.attention_TQ, saved, lowered: &scratch.dLowered_TK,
        tile: &scratch.tile,
        into: &scratch.dAttention_TQ, &gradient)
      return
    }
    if learnsA(step.site) {
      Kernels.gather(batch.targetRows, of: saved.attention_TQ, into: &scratch.selected_RQ)
    }
    backward(
      step, weights.output, stream, x: scratch.selected_RQ, saved, lowered: &scratch.dLowered_TK,
      tile: &scratch.tile,
      into: &scratch.dSelected_RQ, &gradient)
    guard step.needsInput else { return }
    let rows = batch.positions.count
    Kernels.scatter(
      scratch.dSelected_RQ, to: batch.targetRows, rows: rows, into: &scratch.dAttention_TQ)
    Kernels.scatter(stream, to: batch.targetRows, rows: rows, into: &scratch.dStream_TC)
    swap(&stream, &scratch.dStream_TC)
  }

  /// Through attention and its projections and norm, to the block's input.
  private func attend(
    _ step: Step, _ batch: BatchLayout, _ stream: inout Matrix, _ saved: SavedBlock,
    _ scratch: inout Scratch, _ gradient: inout [Float]
  ) {
    Kernels.attendBackward(
      saved.qkv_TW, attention, batch.sequences, in: arithmetic, output_TQ: saved.attention_TQ,
      gradient_TQ: scratch.dAttention_TQ,
      statistics: saved.statistics, scratch: &scratch.attention, into: &scratch.dqkv_TW)
    Kernels.rotate(
      &scratch.dqkv_TW, headCount: attention.headCount + attention.keyValueHeadCount,
      positions: batch.positions, table: batch.table, back: true)
    normalizeHeadsBackward(saved, &scratch.dqkv_TW)
    if learnsA(step.site) {
      weights.attentionNorm.again(
        saved.input_TC, statistics: saved.inputStatistics, into: &scratch.normed_TC)
    }
    backward(
      step, weights.queryKeyValue, scratch.dqkv_TW, x: scratch.normed_TC, saved,
      lowered: &scratch.dLowered_TK, tile: &scratch.tile, into: &scratch.dNormed_TC, &gradient)
    guard step.needsInput else { return }
    weights.attentionNorm.addGradient(
      scratch.dNormed_TC, x: saved.input_TC, statistics: saved.inputStatistics, to: &stream)
  }

  private func normalizeHeadsBackward(_ saved: SavedBlock, _ dqkv_TW: inout Matrix) {
    guard let norms = weights.headNorms else { return }
    Kernels.replaceByNormalizeHeadsGradient(
      &dqkv_TW, x: saved.plain_TW, from: 0, heads: attention.headCount, weight: norms.query,
      reciprocals: saved.queryReciprocals)
    Kernels.replaceByNormalizeHeadsGradient(
      &dqkv_TW, x: saved.plain_TW, from: attention.queryWidth,
      heads: attention.keyValueHeadCount, weight: norms.key, reciprocals: saved.keyReciprocals)
  }
}
