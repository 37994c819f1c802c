// SPDX-License-Identifier: Apache-2.0
public import Models
public import Tensors
public import Updates

/// How a worker trains by losses alone: what is asked for, what becomes of the answers, its batches.
public struct ZerothOrderTraining: Hashable, Codable, Sendable {
  /// Steps between receiving a version and answering.
  public var localSteps: Int
  /// Examples a step.
  public var batchSize: Int
  /// Directions a step, whose scalars are averaged: more of them allow for a larger rate.
  public var queryCount: Int
  /// How far a step goes.
  public var learningRate: Double
  /// How the learning rate goes on.
  public var schedule: GradientTraining.Schedule
  /// What is made small.
  public var objective: Objective
  /// How losses become scalars.
  public var estimator: GradientEstimator
  /// How scalars become a step.
  public var rule: UpdateRule
  /// Whether a step is only taken, or its opposite, if it lowers the loss of its batch: three more
  /// losses a step.
  public var isConservative: Bool
  /// Whether scalars much larger than those before them are shortened.
  public var clips: Bool
  /// Which directions a worker walks along that takes its own steps.
  public var source: DirectionSource
  /// What the directions are drawn from.
  public var distribution: Directions.Distribution
  /// Which factors are perturbed and learned, of those that are learned at all.
  ///
  /// While B is zero, the
  /// loss does not depend on A, so that perturbing A then adds nothing but noise.
  public var factors: LoRAConfiguration.Factors
  /// In how many blocks of consecutive layers the model is moved, a block a step and in turn.
  ///
  /// What lies before the block is computed once for all adapters of a step.
  public var blockCount: Int
  /// Which of the adapter's ranks are moved at a time; nil for all.
  public var subspace: Subspace?
  /// How the workers take each step together; nil where each takes its own, and sends what it learned.
  public var parallelism: Parallelism?
  /// Whether workers that take a step together and are slower evaluate fewer queries than others.
  public var followsSpeed: Bool
  /// The longest example, in tokens.
  public var maximumTokens: Int

  /// Settings, each with a usual value.
  public init(
    localSteps: Int = 4, batchSize: Int = 16, queryCount: Int = 4, learningRate: Double = 4e-4,
    schedule: GradientTraining.Schedule = .constant, objective: Objective = .crossEntropy,
    estimator: GradientEstimator = GradientEstimator(.twoSided, perturbation: 5e-3),
    rule: UpdateRule = .sgd, isConservative: Bool = false, clips: Bool = true,
    source: DirectionSource = .own, distribution: Directions.Distribution = .rademacher,
    factors: LoRAConfiguration.Factors = .b, blockCount: Int = 1, subspace: Subspace? = nil,
    parallelism: Parallelism? = nil, followsSpeed: Bool = true, maximumTokens: Int = 512
  ) {
    self.localSteps = localSteps
    self.batchSize = batchSize
    self.queryCount = queryCount
    self.learningRate = learningRate
    self.schedule = schedule
    self.objective = objective
    self.estimator = estimator
    self.rule = rule
    self.isConservative = isConservative
    self.clips = clips
    self.source = source
    self.distribution = distribution
    self.factors = factors
    self.blockCount = blockCount
    self.subspace = subspace
    self.parallelism = parallelism
    self.followsSpeed = followsSpeed
    self.maximumTokens = maximumTokens
  }

  /// Some of the adapter's ranks after the other, each for some steps, and over again.
  ///
  /// With A frozen, a step moves each weight matrix by U V^T, where V is the part of A that belongs to
  /// the ranks, and U is drawn for each direction: low-rank directions whose V is drawn anew every so
  /// many steps, as in LOZO (Chen et al., "Enhancing Zeroth-order Fine-tuning for Language Models with
  /// Low-rank Structures", 2024), until all ranks had their turn. What was learned with a V stays.
  public struct Subspace: Hashable, Codable, Sendable {
    /// How many ranks are moved at a time.
    public var rank: Int
    /// For how many steps.
    public var stepCount: Int

    /// A subspace of its parts.
    public init(rank: Int, stepCount: Int = 50) {
      self.rank = rank
      self.stepCount = stepCount
    }
  }

  /// How workers take a step together: who has the same directions, and who the same examples.
  public enum Parallelism: String, CaseIterable, Codable, Sendable {
    /// Each worker has directions and examples of its own: the errors of both are averaged out.
    case perturbations
    /// All have the same directions, each has examples of its own: only the error that comes from the
    /// examples is averaged out.
    case data
    /// Two and two have the same directions, each has examples of its own.
    case both
    /// Two workers with the same data have the same directions and the same examples: one evaluates
    /// the losses along the directions, the other those against them, in half the time (PertP: Wang
    /// et al., "DistZO2", 2025). Who has no partner evaluates both.
    case signs

    /// How many workers have the same directions, at most.
    public var groupSize: Int {
      switch self {
      case .perturbations: 1
      case .data: .max
      case .both, .signs: 2
      }
    }
  }

  /// The learning rate of step `step` of `stepCount`, both over the whole run.
  public func learningRate(atStep step: Int, of stepCount: Int) -> Double {
    learningRate * schedule.share(atStep: step, of: stepCount)
  }

  /// How many losses a step computes.
  public var lossCount: Int {
    estimator.lossCount(of: queryCount) + (isConservative ? 3 : 0)
  }

  /// What a worker's steps from one version are held against, and replayed by.
  ///
  /// - Precondition: the settings were checked.
  public func walkRules(of layout: ParameterLayout) -> WalkRules {
    WalkRules(
      source: source, distribution: distribution, rule: rule, moved: moved(of: layout),
      stepCount: localSteps, queryCount: queryCount)
  }
}
