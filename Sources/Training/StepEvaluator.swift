// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
public import Models
public import Randomness
public import Tensors
public import Updates

/// Evaluates the losses that steps of zeroth-order training ask for, on one worker's data.
///
/// A pure function of its arguments: what it gives depends on the step, the queries and the adapter,
/// not on what was evaluated before, nor on threads.
public struct StepEvaluator: Sendable {
  /// What is trained with.
  public let settings: ZerothOrderTraining
  /// Where directions come from.
  public let directions: Directions
  private let model: AdaptedModel
  private let examples: ExampleSet
  private let order: ExampleOrder
  private let moved: MovedTensors
  private let threadCount: Int
  private let adapterCount: Int

  /// An evaluator of `model` on `examples`.
  ///
  /// - Parameters:
  ///   - seed: where the order of the examples comes from; workers have their own, unless they are to
  ///     evaluate the same batches.
  ///   - directions: of the distribution that the settings say.
  ///   - threadCount: how many threads compute. What is computed does not depend on it.
  ///   - adapterCount: with how many adapters each computes at once, as the memory plan says. What is
  ///     computed does not depend on it.
  /// - Throws: `badSetting` for more blocks than the model has layers, `tokenOutsideVocabulary` for
  ///   examples of another tokenizer, or `sequenceTooLong`.
  public init(
    model: AdaptedModel, examples: ExampleSet, settings: ZerothOrderTraining, seed: Seed,
    directions: Directions, threadCount: Int = 1, adapterCount: Int = 2
  ) throws(TrainingError) {
    precondition(
      directions.distribution == settings.distribution,
      "\(directions.distribution) directions for \(settings.distribution) ones")
    let configuration = model.base.configuration
    try settings.check(for: model.layout)
    try examples.check(
      vocabularySize: configuration.vocabularySize, positionCount: configuration.positionCount)
    self.model = model
    self.examples = examples
    self.settings = settings
    self.directions = directions
    self.threadCount = threadCount
    self.adapterCount = adapterCount
    moved = settings.moved(of: model.layout)
    order = ExampleOrder(exampleCount: examples.count, seed: seed)
  }

  /// The layout of the adapters that it takes.
  public var layout: ParameterLayout { model.layout }

  /// The adapter at version 0.
  public var initialAdapter: ParameterVector { model.initialAdapter() }

  /// How many examples there are.
  public var exampleCount: Int { examples.count }

  /// A replica that follows steps from `start`.
  public func replica(from start: ParameterVector) -> ZerothOrderReplica {
    settings.replica(from: start, directions: directions)
  }

  /// Memory and threads for evaluating, to be used for one batch at a time.
  public func makeComputer() -> LossComputer {
    LossComputer(
      model: model, objective: settings.objective, threadCount: threadCount,
      adapterCount: adapterCount, extent: examples.largestParts(of: settings.batchSize))
  }

  /// The batch of a step of the run.
  public func batch(ofStep step: Int) -> TokenBatch {
    let positions = (step * settings.batchSize)..<((step + 1) * settings.batchSize)
    return TokenBatch(order.indices(at: positions).map { examples.examples[$0] })
  }

  /// The losses that the estimator asks for, in its order; those of one side are the same bits as among
  /// those of both.
  ///
  /// - Precondition: the adapter has this layout, and one side alone is asked of an estimator that can
  ///   be split.
  public func losses(
    of batch: TokenBatch, at adapter: ParameterVector, step: UInt32, queries: [UInt32],
    on sides: GradientEstimator.Sides = .both, with computer: LossComputer
  ) -> [Double] {
    losses(
      of: batch, at: adapter,
      movedBy: settings.estimator.displacements(for: queries, on: sides), step: step,
      with: computer)
  }

  /// The losses of the adapter moved along directions of a step in each of some ways.
  func losses(
    of batch: TokenBatch, at adapter: ParameterVector, movedBy displacements: [[DirectionTerm]],
    step: UInt32, with computer: LossComputer
  ) -> [Double] {
    batchLosses(of: batch, at: adapter, movedBy: displacements, step: step, with: computer)
      .map(\.mean)
  }

  /// The same losses, with those of the batch's halves.
  func batchLosses(
    of batch: TokenBatch, at adapter: ParameterVector, movedBy displacements: [[DirectionTerm]],
    step: UInt32, with computer: LossComputer
  ) -> [BatchLoss] {
    let point = ZerothOrderReplica(
      adapter: adapter, directions: directions, moved: moved)
    return computer.batchLosses(of: batch, count: displacements.count) {
      point.displaced(by: displacements[$0], ofStep: step)
    }
  }
}

extension ZerothOrderTraining {
  /// A replica that follows steps of such training from `start`.
  public func replica(
    from start: ParameterVector, directions: Directions
  ) -> ZerothOrderReplica {
    ZerothOrderReplica(
      adapter: start, directions: directions, rule: rule,
      moved: moved(of: start.layout))
  }
}
