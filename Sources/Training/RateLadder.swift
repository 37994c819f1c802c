// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
public import Models
public import Randomness
internal import Tensors

/// Tries learning rates of zeroth-order training, each for a few steps from the same start.
///
/// All have the same batches and directions, which are those of the first steps of a worker with the
/// same seed, so that they differ by nothing but the rate; what the losses of the first step come to
/// is computed once for all. Their adapters are measured on the same examples. A pure function of
/// its arguments.
public struct RateLadder: Sendable {
  /// What a rate came to.
  public struct Rung: Hashable, Codable, Sendable {
    /// The rate.
    public let learningRate: Double
    /// How many steps were taken with it.
    public let stepCount: Int
    /// Whether it was given up: a loss was not finite, or losses were far above those of the lowest
    /// rate on the same batches.
    public let isStopped: Bool
    /// The loss after the last step, on the examples for measuring; nil if it was given up, or is not
    /// finite.
    public let lossAfter: Double?
    /// By how much that loss fell a step; nil without one.
    public let measuredDecrease: Double?
    /// What the losses of the steps themselves say.
    public let figures: GradientDiagnostics.Figures
  }

  /// What the ladder came to.
  public struct Report: Hashable, Codable, Sendable {
    /// The loss of the start, on the examples for measuring.
    public let lossBefore: Double
    /// How many examples there are for measuring.
    public let exampleCount: Int
    /// Whether none of them was learned from.
    public let isHeldOut: Bool
    /// What was tried, from the lowest rate on.
    public let rungs: [Rung]
    /// The rates that were not tried, because a lower one failed.
    public let untried: [Double]
  }

  /// What happens meanwhile.
  public enum Progress: Hashable, Sendable {
    /// A step was taken; the loss is that before it, nil if it is not finite.
    case step(Int, learningRate: Double, loss: Double?)
    /// A rate is done.
    case finished(Rung)
  }

  private let model: AdaptedModel
  private let examples: ExampleSet
  private let settings: ZerothOrderTraining
  private let seed: Seed
  private let measured: [Example]
  private let isHeldOut: Bool
  private let threadCount: Int
  private let adapterCount: Int

  /// A ladder for a worker's training on `examples` with `settings`, whose rate does not matter.
  ///
  /// - Parameters:
  ///   - heldOut: where the examples for measuring are taken from; nil for the worker's own,
  ///     those that come after what is learned from.
  ///   - measuredCount: how many to measure on, at most.
  ///   - stepCount: how many steps to take with a rate.
  ///   - seed: the worker's.
  ///   - threadCount: how many threads compute. What is found does not depend on it.
  ///   - adapterCount: with how many adapters each computes at once.
  /// - Throws: as the trainer.
  public init(
    model: AdaptedModel, examples: ExampleSet, heldOut: ExampleSet?, measuredCount: Int = 64,
    settings: ZerothOrderTraining, stepCount: Int, seed: Seed, threadCount: Int = 1,
    adapterCount: Int = 2
  ) throws(TrainingError) {
    precondition(measuredCount > 0, "a measure of no examples")
    let configuration = model.base.configuration
    for set in [examples, heldOut].compactMap({ $0 }) {
      try set.check(
        vocabularySize: configuration.vocabularySize, positionCount: configuration.positionCount)
    }
    self.model = model
    self.examples = examples
    self.seed = seed
    self.threadCount = threadCount
    self.adapterCount = adapterCount
    var settings = settings
    (settings.localSteps, settings.schedule) = (stepCount, .constant)
    try settings.check(totalVersions: 1)
    self.settings = settings
    // The worker's own order, behind what the steps take of it.
    let set = heldOut ?? examples
    let first = heldOut == nil ? stepCount * settings.batchSize : 0
    let count = min(measuredCount, set.count)
    measured = ExampleOrder(exampleCount: set.count, seed: seed)
      .indices(at: first..<(first + count)).map { set.examples[$0] }
    isHeldOut = first + count <= set.count
  }

  /// Half-decades around `rate`, from a tenth of it to a hundred times: when it is too low, nothing
  /// tells by how much.
  public static func rates(around rate: Double) -> [Double] {
    let decades = [0.1, 1, 10, 100].map { $0 * rate }
    let between = decades.dropLast().map { $0 * 10.0.squareRoot() }
    return (decades + between).map { rounded($0, digits: 2) }.sorted()
  }

  /// Tries rates, from the lowest on; when one fails, those above it are not tried.
  ///
  /// - Parameter progress: called as things happen; what it throws ends the ladder.
  /// - Throws: `badSetting` for a rate that is none, `notFinite` if the start has no finite loss; what
  ///   `progress` throws.
  public func run(
    _ rates: [Double], progress: (Progress) throws -> Void = { _ in }
  ) throws -> Report {
    let rates = Set(rates).sorted()
    for rate in rates { _ = try trainer(with: rate) }
    let start = model.initialAdapter()
    let before = loss(with: start)
    guard before.isFinite else {
      throw TrainingError.notFinite(what: "the loss of the start", version: 0, step: 0)
    }
    var (rungs, lowest): ([Rung], Run?) = ([], nil)
    for rate in rates {
      let run = try run(rate, from: start, beside: lowest, progress)
      let after = run.adapter.map { loss(with: $0) }.flatMap { $0.isFinite ? $0 : nil }
      let rung = Rung(
        learningRate: rate, stepCount: run.losses.count, isStopped: run.adapter == nil,
        lossAfter: after, measuredDecrease: after.map { (before - $0) / Double(run.losses.count) },
        figures: run.diagnostics.figures)
      rungs.append(rung)
      try progress(.finished(rung))
      lowest = lowest ?? run
      guard let after, after < raised * before else { break }
    }
    return Report(
      lossBefore: before, exampleCount: measured.count, isHeldOut: isHeldOut, rungs: rungs,
      untried: Array(rates.dropFirst(rungs.count)))
  }

  /// The steps with one rate.
  private struct Run {
    var losses: [Double?] = []
    var diagnostics: GradientDiagnostics
    var probe: ZerothOrderProbe?
    /// The adapter after all steps; nil if the rate was given up.
    var adapter: ParameterVector?
  }

  private func trainer(with rate: Double) throws(TrainingError) -> ZerothOrderTrainer {
    var settings = settings
    settings.learningRate = rate
    return try ZerothOrderTrainer(
      model: model, examples: examples, settings: settings, totalVersions: 1, seed: seed,
      directions: Directions(of: seed, distribution: settings.distribution),
      threadCount: threadCount, adapterCount: adapterCount)
  }

  private func run(
    _ rate: Double, from start: ParameterVector, beside lowest: Run?,
    _ progress: (Progress) throws -> Void
  ) throws -> Run {
    var run = Run(
      diagnostics: GradientDiagnostics(
        valueCount: settings.movedCount(of: start.layout), rule: settings.rule))
    do {
      let result = try trainer(with: rate)
        .train(from: start, version: 0, knowing: lowest?.probe) { report in
          let loss = report.estimate.loss
          run.losses.append(loss)
          run.diagnostics = report.diagnostics
          run.probe = run.probe ?? report.probe
          try progress(.step(report.step, learningRate: rate, loss: loss))
          guard loss != nil, !isHopeless(run, beside: lowest) else { throw GivenUp() }
        }
      run.adapter = result.adapter
    } catch is GivenUp {}
    return run
  }

  /// Whether the steps' losses are in sum far above those of the lowest rate on the same batches.
  private func isHopeless(_ run: Run, beside lowest: Run?) -> Bool {
    guard let lowest else { return false }
    func sum(_ losses: some Sequence<Double?>) -> Double { losses.reduce(0) { $0 + ($1 ?? 0) } }
    return sum(run.losses) > failing * sum(lowest.losses.prefix(run.losses.count))
  }

  /// The loss on the examples for measuring; its memory is free again before steps are computed.
  private func loss(with adapter: ParameterVector) -> Double {
    let computer = LossComputer(
      model: model, objective: settings.objective, threadCount: threadCount, adapterCount: 1)
    let starts = stride(from: 0, to: measured.count, by: settings.batchSize)
    var (sum, count) = (0.0, 0)
    for start in starts {
      let batch = TokenBatch(measured[start..<min(measured.count, start + settings.batchSize)])
      let loss = computer.losses(of: batch, count: 1) { _ in adapter }[0]
      let termCount = settings.objective.termCount(of: batch)
      sum += loss * Double(termCount)
      count += termCount
    }
    return sum / Double(count)
  }
}

extension RateLadder.Report {
  /// The rate to train with: the lowest of those that brought the loss down about as far as the best,
  /// because what is best for a few steps tends to be too high for many; nil if none did.
  public var proposal: Double? {
    let falls = rungs.compactMap { rung in
      rung.lossAfter.map { (rate: rung.learningRate, fall: lossBefore - $0) }
    }
    guard let best = falls.map(\.fall).max(), best > 0 else { return nil }
    return falls.first { $0.fall >= 0.9 * best }?.rate
  }

  /// Whether a rate above all that were tried might be better still.
  public var isHighestBest: Bool {
    guard untried.isEmpty, let last = rungs.last, let after = last.lossAfter else { return false }
    return rungs.dropLast().allSatisfy { after < $0.lossAfter ?? .infinity } && after < lossBefore
  }
}

/// Losses of so many times those of the lowest rate are beyond hope.
private let failing = 1.1
/// A loss of so many times the start's is no noise of so few steps: higher rates do no better.
private let raised = 1.01

/// A rate is given up.
private struct GivenUp: Error {}
