// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
public import Models
public import Randomness
public import Tensors
public import Updates

/// What was learned from local data.
public struct TrainingResult: Sendable {
  /// The change of the adapter.
  public let delta: ParameterVector
  /// The size of the data set: the result's weight in the mean.
  public let exampleCount: Int
  /// How many tokens were run through the model.
  public let tokenCount: Int
  /// The mean of the loss over all predicted tokens, each step's before that step.
  public let loss: Double
  /// The walk that led to the change, if it was learned by losses alone.
  public let walk: Walk?

  /// A result by its parts.
  public init(
    delta: ParameterVector, exampleCount: Int, tokenCount: Int, loss: Double, walk: Walk? = nil
  ) {
    self.delta = delta
    self.exampleCount = exampleCount
    self.tokenCount = tokenCount
    self.loss = loss
    self.walk = walk
  }
}

/// What a step of training did.
public struct StepReport: Hashable, Sendable {
  /// The step, from 1.
  public let step: Int
  /// How many steps there will be.
  public let stepCount: Int
  /// The loss before the step.
  public let loss: Double
  /// How many tokens were run through the model.
  public let tokenCount: Int
  /// The step size.
  public let learningRate: Double
  /// The gradient's norm before it was clipped.
  public let gradientNorm: Double
  /// What the last steps say about the gradient and the learning rate; nil for training by gradients.
  public var diagnostics: GradientDiagnostics?
}

/// Learns from local data by AdamW: a pure function of its arguments, so any round can be replayed.
public struct GradientTrainer: Sendable {
  private let model: AdaptedModel
  private let examples: ExampleSet
  private let settings: GradientTraining
  private let totalVersions: Int
  private let order: ExampleOrder
  private let threadCount: Int
  private let recomputedBlockCount: Int

  /// A trainer of `model` on `examples`, in a run of `totalVersions` versions.
  ///
  /// - Parameters:
  ///   - seed: where the order of the examples comes from; each worker has its own.
  ///   - threadCount: how many threads compute a step. What is learned does not depend on it.
  ///   - recomputedBlockCount: so many blocks are computed twice in each step, to save memory. What
  ///     is learned does not depend on it.
  /// - Throws: `badSetting`, `tokenOutsideVocabulary` for examples of another tokenizer, or
  ///   `sequenceTooLong`.
  public init(
    model: AdaptedModel, examples: ExampleSet, settings: GradientTraining, totalVersions: Int,
    seed: Seed, threadCount: Int = 1, recomputing recomputedBlockCount: Int = 0
  ) throws(TrainingError) {
    precondition(totalVersions > 0, "a run of \(totalVersions) versions")
    try settings.check()
    let configuration = model.base.configuration
    try examples.check(
      vocabularySize: configuration.vocabularySize, positionCount: configuration.positionCount)
    self.model = model
    self.examples = examples
    self.settings = settings
    self.totalVersions = totalVersions
    self.threadCount = threadCount
    self.recomputedBlockCount = recomputedBlockCount
    order = ExampleOrder(exampleCount: examples.count, seed: seed)
  }

  /// The layout of the adapters that it learns.
  public var layout: ParameterLayout { model.layout }

  /// The adapter that a run of this model begins with.
  public var initialAdapter: ParameterVector { model.initialAdapter() }

  /// Takes the steps that follow `version`, whose adapter is `start`.
  ///
  /// The optimizer starts anew. The order of the examples and the learning rate go on through the
  /// run as if one worker took all its steps.
  ///
  /// - Parameter progress: called after every step; what it throws ends the training.
  /// - Throws: `notFinite` for a loss or a gradient that is not; what `progress` throws.
  public func train(
    from start: ParameterVector, version: Int,
    progress: (StepReport) throws -> Void = { _ in }
  ) throws -> TrainingResult {
    precondition(
      (0..<totalVersions).contains(version), "version \(version) of \(totalVersions)")
    var adapter = start
    var optimizer = AdamW(settings: settings.optimizer, count: start.layout.count)
    let computer = GradientComputer(
      model: model, threadCount: threadCount, recomputing: recomputedBlockCount,
      extent: examples.largestParts(of: settings.batchSize))
    var gradient = ParameterVector(zerosOf: start.layout)
    var totals = (loss: 0.0, targetCount: 0, tokenCount: 0)
    for step in 0..<settings.localSteps {
      let batch = batch(ofStep: version * settings.localSteps + step)
      let loss = computer.loss(of: batch, adapter: adapter, gradient: &gradient)
      let norm = gradient.norm
      guard loss.isFinite else {
        throw TrainingError.notFinite(what: "the loss", version: version, step: step + 1)
      }
      guard norm.isFinite else {
        throw TrainingError.notFinite(what: "the gradient", version: version, step: step + 1)
      }
      if let limit = settings.gradientClip, norm > limit {
        Kernels.scale(&gradient.values, by: Float(limit / norm))
      }
      let rate = settings.learningRate(
        atStep: version * settings.localSteps + step, of: totalVersions * settings.localSteps)
      optimizer.step(&adapter, gradient: gradient, learningRate: Float(rate))
      totals.loss += loss * Double(batch.targets.count)
      totals.targetCount += batch.targets.count
      totals.tokenCount += batch.tokens.count
      try progress(
        StepReport(
          step: step + 1, stepCount: settings.localSteps, loss: loss,
          tokenCount: batch.tokens.count, learningRate: rate, gradientNorm: norm))
    }
    adapter.add(start, scaledBy: -1)
    return TrainingResult(
      delta: adapter, exampleCount: examples.count, tokenCount: totals.tokenCount,
      loss: totals.loss / Double(totals.targetCount))
  }

  /// The batch of a step of the run.
  private func batch(ofStep step: Int) -> TokenBatch {
    let positions = (step * settings.batchSize)..<((step + 1) * settings.batchSize)
    return TokenBatch(order.indices(at: positions).map { examples.examples[$0] })
  }
}

extension ExampleSet {
  /// How large a batch of `count` examples can be.
  public func largestBatch(of count: Int) -> BatchExtent {
    let byTokens = examples.map { $0.tokens.count - 1 }.sorted(by: >).prefix(count)
    let byTargets = examples.map(\.predicted.count).sorted(by: >).prefix(count)
    // Examples come again when there are fewer than the batch has.
    let times = (count + max(1, byTokens.count) - 1) / max(1, byTokens.count)
    return BatchExtent(
      tokenCount: times * byTokens.reduce(0, +), targetRowCount: times * byTargets.reduce(0, +),
      longestSequence: byTokens.first ?? 0)
  }

  /// How large the parts of a batch of `count` examples can be.
  public func largestParts(of count: Int) -> BatchExtent { largestBatch(of: count).ofParts }
}

extension TokenBatch {
  /// The examples end to end; each token to be predicted is a target.
  ///
  /// The last token of an example is only ever predicted, so it is not run.
  public init(_ examples: some Sequence<Example>) {
    var tokens: [Int32] = []
    var targets: [Target] = []
    var lengths: [Int] = []
    for example in examples {
      let start = tokens.count
      tokens += example.tokens.dropLast()
      lengths.append(example.tokens.count - 1)
      for index in example.predicted {
        targets.append(Target(position: start + index - 1, token: example.tokens[index]))
      }
    }
    self.init(tokens: tokens, sequenceLengths: lengths, targets: targets)
  }
}

extension GradientTraining {
  fileprivate var optimizer: AdamW.Settings {
    AdamW.Settings(
      beta1: Float(beta1), beta2: Float(beta2), epsilon: Float(epsilon),
      weightDecay: Float(weightDecay))
  }
}
