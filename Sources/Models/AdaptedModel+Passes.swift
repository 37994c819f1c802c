// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens, R rows with targets, C width, V vocabulary.
internal import Checkpoints
internal import Tensors

extension AdaptedModel {
  /// What a forward pass leaves for a backward.
  struct Saving {
    /// The lowest block that the backward passes.
    let from: Int
    /// What the sum of the losses is divided by.
    let targetCount: Int
  }

  /// The forward pass: each target's score, with the first of some adapters, then with the second, and
  /// so on; only once if all are the same.
  ///
  /// With `saving`, what the backward needs of that block and those above is kept, and the gradient
  /// of the mean loss for the last block's output is left in the workspace's stream.
  /// - Precondition: there is an adapter, and only one with `saving`.
  func run(
    _ batch: TokenBatch, _ adapters: [ParameterVector], in workspace: inout Workspace,
    saving: Saving? = nil
  ) -> [TargetScore] {
    precondition(
      adapters.count == 1 || (saving == nil && !adapters.isEmpty), "\(adapters.count) adapters")
    precondition(
      adapters.allSatisfy { $0.layout == layout }, "an adapter of another layout than the model's")
    guard !batch.targets.isEmpty else { return [] }
    let configuration = base.configuration
    let lowest = saving?.from
    check(batch)
    workspace.batch.set(batch)
    base.embedding_VC.gather(workspace.batch.tokens, into: &workspace.stream)
    base.positions?.add(
      workspace.batch.positions, to: &workspace.stream, in: &workspace.scratch.normed_TC)
    var copies = AdapterCopies(adapters.map(\.values), blocks)
    for layer in 0..<configuration.layerCount {
      copies.layer = layer
      let slot = workspace.slot(layer, from: lowest)
      block(layer).forward(
        &workspace.batch, &copies, stream: &workspace.stream, saved: &workspace.saved[slot],
        scratch: &workspace.scratch)
      if let lowest, layer >= lowest, slot == 0 {
        swap(&workspace.saved[0].input_TC, &workspace.inputs_TC[layer - lowest])
      }
    }
    return head(
      workspace.batch, partCount: copies.partCount, &workspace.stream, &workspace.scratch,
      gradientWeight: saving.map { 1 / Double($0.targetCount) })
  }

  /// The backward pass, from the stream's gradient that the forward left.
  func backward(
    _ parameters: [Float], lowest: Int, in workspace: inout Workspace,
    addingTo gradient: inout [Float]
  ) {
    var copies = AdapterCopies([parameters], blocks)
    for layer in (lowest..<base.configuration.layerCount).reversed() {
      let slot = workspace.slot(layer, from: lowest)
      let block = block(layer)
      if slot == 0 {
        swap(&workspace.saved[0].input_TC, &workspace.inputs_TC[layer - lowest])
        block.recompute(
          &workspace.batch, &copies, saved: &workspace.saved[0], scratch: &workspace.scratch)
      }
      block.backward(
        workspace.batch, parameters, isLowest: layer == lowest, stream: &workspace.stream,
        saved: &workspace.saved[slot], scratch: &workspace.scratch, addingTo: &gradient)
    }
  }

  private func block(_ layer: Int) -> Block {
    Block(
      configuration: base.configuration, weights: base.blocks[layer], adapter: blocks[layer],
      attention: base.attentionShape(layer: layer),
      isLast: layer == base.configuration.layerCount - 1)
  }

  private func check(_ batch: TokenBatch) {
    let longest = batch.sequenceLengths.max() ?? 0
    precondition(
      longest <= base.configuration.positionCount ?? .max,
      "a sequence of \(longest) tokens for \(base.configuration.positionCount ?? 0) positions")
    let vocabulary = 0..<Int32(base.configuration.vocabularySize)
    for token in batch.tokens {
      precondition(vocabulary.contains(token), "token \(token) of \(vocabulary.count)")
    }
    for target in batch.targets {
      precondition(vocabulary.contains(target.token), "token \(target.token), \(vocabulary.count)")
    }
  }
}
