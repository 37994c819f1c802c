// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Tensors

/// A frozen model and where an adapter sits in it: a function of that adapter.
///
/// The adapter is an argument, never a state: one base serves everyone in the process.
public struct AdaptedModel: Sendable {
  /// The frozen base.
  public let base: DecoderModel
  /// The trainable parameters: by block, then projection, A before B; names are PEFT's.
  public let layout: ParameterLayout

  /// The layers with low-rank factors, in the layout's order.
  let modules: [PlacedModule]
  /// The layers whose weights are changed, in the layout's order.
  let weightModules: [WeightModule]
  /// What the adapter does in each block.
  let blocks: [BlockAdapter]
  private let start: ParameterVector

  /// A base with an adapter to be learned.
  ///
  /// With factors `.b`, every A is what it begins with and stays.
  ///
  /// - Parameter loftQ: what A and B begin with; nil for zero, and A from the seed.
  /// - Precondition: the targets are layers of the model, and `loftQ` was made for them.
  public init(base: DecoderModel, lora: LoRAConfiguration, loftQ: LoftQ? = nil) {
    let modules = lora.modules(of: base.configuration)
    let initial = { loftQ?[$0].a ?? $0.initialA(seed: lora.seed) }
    let placed = PlacedModule.place(modules, lora.factors)
    let layout = ParameterLayout(modules.flatMap { $0.tensors(lora.factors) })
    var start = ParameterVector(zerosOf: layout)
    for placed in placed {
      if let offset = placed.aOffset { start.put(initial(placed.module), at: offset) }
      if let loftQ { start.put(loftQ[placed.module].b, at: placed.bOffset) }
    }
    self.init(base: base, modules: placed, start: start, frozenA: initial)
  }

  /// A base with an existing adapter, whose A and B are the parameters.
  ///
  /// - Throws: if the adapter is not made for this model.
  public init(base: DecoderModel, adapter: PEFTAdapter) throws(ModelError) {
    let matched = try adapter.matched(to: base.configuration)
    let modules = matched.map(\.module)
    let layout = ParameterLayout(modules.flatMap { $0.tensors(.both) })
    let values = matched.flatMap { $0.factors.a + $0.factors.b }
    self.init(
      base: base, modules: PlacedModule.place(modules, .both),
      start: ParameterVector(layout: layout, values: values))
  }

  /// A base with an adapter of its weights, which begins with no change, or with `start`.
  ///
  /// Losses can be asked for, gradients not.
  ///
  /// - Precondition: the modules are layers of the model, and the start has their layout.
  public init(base: DecoderModel, weights: WeightModules, start: ParameterVector? = nil) {
    let start = start ?? ParameterVector(zerosOf: weights.layout)
    precondition(start.layout == weights.layout, "a start of another layout than its modules'")
    self.base = base
    self.start = start
    layout = weights.layout
    modules = []
    weightModules = weights.modules
    blocks = (0..<base.configuration.layerCount).map { layer in
      BlockAdapter(weights.modules.filter { $0.layer == layer }, base.configuration)
    }
  }

  /// A base without an adapter: the layout is empty.
  public init(base: DecoderModel) {
    self.init(base: base, modules: [], start: ParameterVector(zerosOf: ParameterLayout([])))
  }

  private init(
    base: DecoderModel, modules: [PlacedModule], start: ParameterVector,
    frozenA: (AdapterModule) -> [Float] = { _ in [] }
  ) {
    self.base = base
    self.layout = start.layout
    self.start = start
    self.modules = modules
    weightModules = []
    blocks = (0..<base.configuration.layerCount).map { layer in
      BlockAdapter(
        modules.filter { $0.module.layer == layer }, base.configuration, frozenA: frozenA)
    }
  }

  /// Where learning starts: B = 0 and A from the seed, or the adapter that the model was made with.
  public func initialAdapter() -> ParameterVector { start }

  /// Memory for computing with this model.
  ///
  /// - Parameter extent: how large batches will be, at most; larger ones make it grow.
  public func makeWorkspace(
    for pass: Pass = .step(recomputing: 0), of extent: BatchExtent = .none
  ) -> Workspace {
    var arena = Arena.taking
    return Workspace(for: self, pass, of: extent, in: &arena)
  }

  /// Memory as `makeWorkspace` makes it, or what somebody gave back who computed with this base.
  public func takeWorkspace(for pass: Pass, of extent: BatchExtent) -> Workspace {
    base.idleWorkspaces.take(for: self, pass, of: extent)
  }

  /// Lets others compute in a workspace, which is not to be used any more.
  public func giveBack(_ workspace: Workspace) { base.idleWorkspaces.put(workspace) }

  /// The natural logarithm of the probability of each target, in order.
  ///
  /// - Precondition: the adapter has this layout, tokens are in the vocabulary, and sequences no
  ///   longer than the model's positions.
  public func logProbabilities(
    of batch: TokenBatch, adapter: ParameterVector, in workspace: inout Workspace
  ) -> [Float] {
    run(batch, [adapter], in: &workspace).map { Float($0.logProbability) }
  }

  /// The mean over all targets of minus the logarithm of their probability.
  ///
  /// - Precondition: there is a target, and as for the log-probabilities.
  public func loss(
    of batch: TokenBatch, adapter: ParameterVector, in workspace: inout Workspace
  ) -> Double {
    mean(run(batch, [adapter], in: &workspace))
  }

  /// The mean loss with each of some adapters: bit for bit what each has alone.
  ///
  /// They are computed side by side, with what they have in common only once: all up to the first
  /// tensor in which they differ, and reading the frozen weights. That takes memory for as many
  /// batches as there are adapters, of one block.
  ///
  /// - Parameter targetCount: as for the loss with its gradient.
  /// - Precondition: as for the loss.
  public func losses(
    of batch: TokenBatch, adapters: [ParameterVector], in workspace: inout Workspace,
    meanOver targetCount: Int? = nil
  ) -> [Double] {
    scores(of: batch, adapters: adapters, in: &workspace).map { mean($0, over: targetCount) }
  }

  /// With each of some adapters, the score of each target, in order: what the losses are the means of,
  /// computed as these are.
  ///
  /// - Precondition: as for the losses.
  public func scores(
    of batch: TokenBatch, adapters: [ParameterVector], in workspace: inout Workspace
  ) -> [[TargetScore]] {
    guard !adapters.isEmpty else { return [] }
    let scores = run(batch, adapters, in: &workspace)
    let count = batch.targets.count
    let parts = stride(from: 0, to: scores.count, by: max(1, count)).map {
      Array(scores[$0..<($0 + count)])
    }
    precondition(!parts.isEmpty, "the loss of a batch without targets")
    return parts.count == adapters.count
      ? parts : [[TargetScore]](repeating: parts[0], count: adapters.count)
  }

  /// The same loss, adding its gradient for the adapter to `gradient`.
  ///
  /// - Parameter targetCount: what sums over targets are divided by, for a batch that is a part of
  ///   another; its own targets when nil.
  /// - Precondition: as for the loss; the gradient has this layout, and no weights are changed.
  public func loss(
    of batch: TokenBatch, adapter: ParameterVector, in workspace: inout Workspace,
    addingGradientTo gradient: inout ParameterVector, meanOver targetCount: Int? = nil
  ) -> Double {
    precondition(gradient.layout == layout, "a gradient of another layout than the model's")
    precondition(weightModules.isEmpty, "the gradient of \(weightModules.count) changes of weights")
    let targetCount = targetCount ?? batch.targets.count
    guard let lowest = lowestAdaptedLayer else {
      return mean(run(batch, [adapter], in: &workspace), over: targetCount)
    }
    let scores = run(
      batch, [adapter], in: &workspace, saving: Saving(from: lowest, targetCount: targetCount))
    backward(adapter.values, lowest: lowest, in: &workspace, addingTo: &gradient.values)
    return mean(scores, over: targetCount)
  }

  /// The first block with products of the adapter.
  var lowestAdaptedLayer: Int? { blocks.firstIndex { $0.lowestSite != nil } }

  private func mean(_ scores: [TargetScore], over count: Int? = nil) -> Double {
    precondition(!scores.isEmpty, "the loss of a batch without targets")
    return -scores.reduce(0) { $0 + $1.logProbability } / Double(count ?? scores.count)
  }
}

extension ParameterVector {
  fileprivate mutating func put(_ values: [Float], at offset: Int) {
    self.values.replaceSubrange(offset..<(offset + values.count), with: values)
  }
}
