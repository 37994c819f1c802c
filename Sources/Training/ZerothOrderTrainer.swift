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
  ///
  /// Those along directions of a pool all have the pool's number.
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
  /// What the last steps say about the gradient and the learning rate.
  public let diagnostics: GradientDiagnostics
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
  /// What the losses come to, to be used where the same step is computed again.
  public let probe: ZerothOrderProbe
  /// What the last steps say about the gradient and the learning rate, this one among them.
  public let diagnostics: GradientDiagnostics
}

/// What the losses of a step come to: a function of the adapter, the batch and the directions.
public struct ZerothOrderProbe: Hashable, Sendable {
  /// The losses, the scalars before they were clipped, and how many queries were left out.
  public let estimate: GradientEstimate
  /// The slopes along the directions of the queries that count.
  public let slopes: [QuerySlope]
}

/// Learns from local data by losses of perturbed adapters: a pure function of its arguments.
///
/// The adapter is never perturbed in place, and nothing is computed that a replica would need beside
/// the steps.
public struct ZerothOrderTrainer: Sendable {
  private let evaluator: StepEvaluator
  private let totalVersions: Int
  private let firstQuery: UInt32
  private let seed: Seed

  /// A trainer of `model` on `examples`, in a run of `totalVersions` versions.
  ///
  /// - Parameters:
  ///   - seed: where the order of the examples comes from, and which directions of a pool are
  ///     evaluated; each worker has its own.
  ///   - directions: those of the run.
  ///   - firstQuery: the first of this worker's queries in each step; no other worker has the same.
  ///     Of a pool any may be drawn.
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
    try settings.check(totalVersions: totalVersions)
    evaluator = try StepEvaluator(
      model: model, examples: examples, settings: settings, seed: seed, directions: directions,
      threadCount: threadCount, adapterCount: adapterCount)
    self.totalVersions = totalVersions
    self.firstQuery = firstQuery
    self.seed = seed
  }

  /// The layout of the adapters that it learns.
  public var layout: ParameterLayout { evaluator.layout }

  /// The adapter that a run of this model begins with.
  public var initialAdapter: ParameterVector { evaluator.initialAdapter }

  /// The steps of a version as one walk; along directions of a pool each is in it once.
  func walk(of steps: [DirectionStep]) -> Walk {
    let walk = Walk(key: directions.key, steps: steps)
    return settings.source.count == nil ? walk : Walk.merged([(walk, factor: 1)])
  }

  /// Where the directions come from.
  public var directions: Directions { evaluator.directions }

  private var settings: ZerothOrderTraining { evaluator.settings }

  /// A replica that follows this trainer's steps from `start`.
  public func replica(from start: ParameterVector) -> ZerothOrderReplica {
    evaluator.replica(from: start)
  }

  /// Takes the steps that follow `version`, whose adapter is `start`.
  ///
  /// Momentum and moments start anew. The order of the examples, the learning rate and the numbers of
  /// the steps go on through the run as if one worker took all its steps.
  ///
  /// - Parameters:
  ///   - clip: what the clip remembers of the versions before.
  ///   - first: what the first step's losses come to, if they were computed before.
  ///   - progress: called after every step; what it throws ends the training.
  /// - Throws: what `progress` throws.
  public func train(
    from start: ParameterVector, version: Int, clip: ScalarClip = ScalarClip(),
    knowing first: ZerothOrderProbe? = nil,
    progress: (ZerothOrderReport) throws -> Void = { _ in }
  ) throws -> ZerothOrderResult {
    precondition(
      (0..<totalVersions).contains(version), "version \(version) of \(totalVersions)")
    var (replica, clip) = (replica(from: start), clip)
    var (steps, losses): ([DirectionStep], [Double]) = ([], [])
    var (tokenCount, droppedCount, clippedCount) = (0, 0, 0)
    let computer = evaluator.makeComputer()
    var diagnostics = GradientDiagnostics(
      valueCount: settings.movedCount(of: start.layout), rule: settings.rule)
    for step in 0..<settings.localSteps {
      let number = version * settings.localSteps + step
      let batch = evaluator.batch(ofStep: number)
      let known = step == 0 ? first : nil
      let place = place(ofStep: number)
      let probe = known ?? probe(of: batch, replica, place, computer)
      var estimate = probe.estimate
      let clipped = settings.clips ? clip.clip(&estimate.scalars) : 0
      let rate = settings.learningRate(
        atStep: number, of: totalVersions * settings.localSteps)
      let wanted = settings.rule.step(place.step, for: estimate.scalars, learningRate: rate)
      let taken = accepted(wanted, batch, replica, computer)
      if settings.clips { clip.note(taken, by: settings.rule, learningRate: rate) }
      replica.apply(taken)
      steps.append(taken)
      losses += estimate.loss.map { [$0] } ?? []
      tokenCount += batch.tokens.count * settings.lossCount
      droppedCount += estimate.droppedCount
      clippedCount += clipped
      diagnostics.note(
        GradientDiagnostics.Step(
          slopes: probe.slopes, taken: taken, learningRate: rate, loss: estimate.loss,
          droppedCount: estimate.droppedCount, clippedCount: clipped))
      try progress(
        ZerothOrderReport(
          step: step + 1, stepCount: settings.localSteps, estimate: probe.estimate,
          clippedCount: clipped, tokenCount: batch.tokens.count * settings.lossCount,
          learningRate: rate, taken: taken, probe: probe, diagnostics: diagnostics))
    }
    return ZerothOrderResult(
      adapter: replica.adapter, steps: steps, clip: clip, exampleCount: evaluator.exampleCount,
      tokenCount: tokenCount,
      loss: losses.isEmpty ? nil : losses.reduce(0, +) / Double(losses.count),
      droppedCount: droppedCount, clippedCount: clippedCount, diagnostics: diagnostics)
  }

  /// The directions that are evaluated at a step: those of one step of the run, or some of its pool.
  private typealias Place = (step: UInt32, queries: [UInt32])

  private func place(ofStep number: Int) -> Place {
    let count = settings.queryCount
    guard let poolCount = settings.source.count else {
      return (UInt32(number), (0..<UInt32(count)).map { firstQuery + $0 })
    }
    var random = RandomStream(seed.derived("directions of a pool", UInt64(number)))
    var drawn: Set<UInt32> = []
    while drawn.count < count { drawn.insert(UInt32(random.integer(below: poolCount))) }
    return (DirectionSource.poolStep, drawn.sorted())
  }

  private func probe(
    of batch: TokenBatch, _ replica: ZerothOrderReplica, _ place: Place, _ computer: LossComputer
  ) -> ZerothOrderProbe {
    let estimator = settings.estimator
    let losses = evaluator.batchLosses(
      of: batch, at: replica.adapter, movedBy: estimator.displacements(for: place.queries),
      step: place.step, with: computer)
    return ZerothOrderProbe(
      estimate: estimator.estimate(estimator.losses(losses.map(\.mean), for: place.queries)),
      slopes: estimator.slopes(losses, for: place.queries))
  }

  /// The step, unless it raises the loss of its batch and that matters.
  private func accepted(
    _ step: DirectionStep, _ batch: TokenBatch, _ replica: ZerothOrderReplica,
    _ computer: LossComputer
  ) -> DirectionStep {
    guard settings.isConservative else { return step }
    let candidates = [[], step.terms, step.opposite.terms]
    let losses = evaluator.losses(
      of: batch, at: replica.adapter, movedBy: candidates, step: step.step, with: computer)
    return ConservativeAcceptance.accepted(
      step, current: losses[0], after: losses[1], afterOpposite: losses[2])
  }
}
