// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
public import Models
public import Randomness
public import Tensors
public import Updates

/// What was learned by losses alone.
public struct ZerothOrderResult: Sendable {
  /// The adapter after the last step.
  public let adapter: ParameterVector
  /// The steps: applied to the same start, they give the same adapter bit for bit.
  public let steps: [DirectionStep]
  /// What the clip remembers, for the next version.
  public let clip: ScalarClip
  /// The size of the data set.
  public let exampleCount: Int
  /// How many tokens were run through the model, those of every copy counted.
  public let tokenCount: Int
  /// The mean of the steps' losses, each before that step; nil if none was finite.
  public let loss: Double?
  /// How many queries were left out, for want of finite losses.
  public let droppedCount: Int
  /// How many scalars were shortened.
  public let clippedCount: Int
}

/// What a step of zeroth-order training did.
public struct ZerothOrderReport: Hashable, Sendable {
  /// The step, from 1.
  public let step: Int
  /// How many steps there will be.
  public let stepCount: Int
  /// The losses, the scalars before they were clipped, and how many queries were left out.
  public let estimate: GradientEstimate
  /// How many scalars were shortened.
  public let clippedCount: Int
  /// How many tokens were run through the model, those of every copy counted.
  public let tokenCount: Int
  /// The step size.
  public let learningRate: Double
  /// What was taken.
  public let taken: DirectionStep
}

/// Learns from local data by losses of perturbed adapters: a pure function of its arguments.
///
/// The adapter is never perturbed in place, and nothing is computed that a replica would need beside
/// the steps.
public struct ZerothOrderTrainer: Sendable {
  private let model: AdaptedModel
  private let examples: ExampleSet
  private let settings: ZerothOrderTraining
  private let totalVersions: Int
  private let order: ExampleOrder
  /// Where the directions come from.
  public let directions: Directions
  private let queries: [UInt32]
  private let threadCount: Int
  private let adapterCount: Int

  /// A trainer of `model` on `examples`, in a run of `totalVersions` versions.
  ///
  /// - Parameters:
  ///   - seed: where the order of the examples comes from; each worker has its own.
  ///   - directions: those of the run.
  ///   - firstQuery: the first of this worker's queries in each step; no other worker has the same.
  ///   - threadCount: how many threads compute a step. What is learned does not depend on it.
  ///   - adapterCount: with how many adapters each computes at once, as the memory plan says. What is
  ///     learned does not depend on it.
  /// - Throws: `badSetting`, `tokenOutsideVocabulary` for examples of another tokenizer, or
  ///   `sequenceTooLong`.
  public init(
    model: AdaptedModel, examples: ExampleSet, settings: ZerothOrderTraining, totalVersions: Int,
    seed: Seed, directions: Directions, firstQuery: UInt32 = 0, threadCount: Int = 1,
    adapterCount: Int = 2
  ) throws(TrainingError) {
    precondition(totalVersions > 0, "a run of \(totalVersions) versions")
    precondition(
      directions.distribution == settings.distribution,
      "\(directions.distribution) directions for \(settings.distribution) ones")
    try settings.check(totalVersions: totalVersions)
    let configuration = model.base.configuration
    try examples.check(
      vocabularySize: configuration.vocabularySize, positionCount: configuration.positionCount)
    self.model = model
    self.examples = examples
    self.settings = settings
    self.totalVersions = totalVersions
    self.directions = directions
    self.threadCount = threadCount
    self.adapterCount = adapterCount
    queries = (0..<UInt32(settings.queryCount)).map { firstQuery + $0 }
    order = ExampleOrder(exampleCount: examples.count, seed: seed)
  }

  /// The layout of the adapters that it learns.
  public var layout: ParameterLayout { model.layout }

  /// A replica that follows this trainer's steps from `start`.
  public func replica(from start: ParameterVector) -> ZerothOrderReplica {
    ZerothOrderReplica(
      adapter: start, directions: directions, rule: settings.rule,
      selection: settings.selection(of: start.layout))
  }

  /// Takes the steps that follow `version`, whose adapter is `start`.
  ///
  /// Momentum and moments start anew. The order of the examples, the learning rate and the numbers of
  /// the steps go on through the run as if one worker took all its steps.
  ///
  /// - Parameters:
  ///   - clip: what the clip remembers of the versions before.
  ///   - progress: called after every step; what it throws ends the training.
  /// - Throws: what `progress` throws.
  public func train(
    from start: ParameterVector, version: Int, clip: ScalarClip = ScalarClip(),
    progress: (ZerothOrderReport) throws -> Void = { _ in }
  ) throws -> ZerothOrderResult {
    precondition(
      (0..<totalVersions).contains(version), "version \(version) of \(totalVersions)")
    var (replica, clip) = (replica(from: start), clip)
    var (steps, losses): ([DirectionStep], [Double]) = ([], [])
    var (tokenCount, droppedCount, clippedCount) = (0, 0, 0)
    let computer = LossComputer(
      model: model, threadCount: threadCount, adapterCount: adapterCount)
    for step in 0..<settings.localSteps {
      let number = version * settings.localSteps + step
      let batch = batch(ofStep: number)
      var estimate = estimate(of: batch, replica, step: UInt32(number), computer)
      let report = estimate
      let clipped = settings.clips ? clip.clip(&estimate.scalars) : 0
      let rate = settings.learningRate(
        atStep: number, of: totalVersions * settings.localSteps)
      let wanted = settings.rule.step(UInt32(number), for: estimate.scalars, learningRate: rate)
      let taken = accepted(wanted, batch, replica, computer)
      if settings.clips { clip.note(taken, by: settings.rule, learningRate: rate) }
      replica.apply(taken)
      steps.append(taken)
      losses += estimate.loss.map { [$0] } ?? []
      tokenCount += batch.tokens.count * settings.lossCount
      droppedCount += estimate.droppedCount
      clippedCount += clipped
      try progress(
        ZerothOrderReport(
          step: step + 1, stepCount: settings.localSteps, estimate: report,
          clippedCount: clipped, tokenCount: batch.tokens.count * settings.lossCount,
          learningRate: rate,
          taken: taken))
    }
    return ZerothOrderResult(
      adapter: replica.adapter, steps: steps, clip: clip, exampleCount: examples.count,
      tokenCount: tokenCount,
      loss: losses.isEmpty ? nil : losses.reduce(0, +) / Double(losses.count),
      droppedCount: droppedCount, clippedCount: clippedCount)
  }

  private func estimate(
    of batch: TokenBatch, _ replica: ZerothOrderReplica, step: UInt32, _ computer: LossComputer
  ) -> GradientEstimate {
    let displacements = settings.estimator.displacements(for: queries)
    let losses = computer.losses(of: batch, count: displacements.count) {
      replica.displaced(by: displacements[$0], ofStep: step)
    }
    return settings.estimator.estimate(settings.estimator.losses(losses, for: queries))
  }

  /// The step, unless it raises the loss of its batch and that matters.
  private func accepted(
    _ step: DirectionStep, _ batch: TokenBatch, _ replica: ZerothOrderReplica,
    _ computer: LossComputer
  ) -> DirectionStep {
    guard settings.isConservative else { return step }
    let candidates = [[], step.terms, step.opposite.terms]
    let losses = computer.losses(of: batch, count: candidates.count) {
      replica.displaced(by: candidates[$0], ofStep: step.step)
    }
    return ConservativeAcceptance.accepted(
      step, current: losses[0], after: losses[1], afterOpposite: losses[2])
  }

  /// The batch of a step of the run.
  private func batch(ofStep step: Int) -> TokenBatch {
    let positions = (step * settings.batchSize)..<((step + 1) * settings.batchSize)
    return TokenBatch(order.indices(at: positions).map { examples.examples[$0] })
  }
}
