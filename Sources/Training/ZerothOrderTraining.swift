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
    factors: LoRAConfiguration.Factors = .b, blockCount: Int = 1,
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
    self.parallelism = parallelism
    self.followsSpeed = followsSpeed
    self.maximumTokens = maximumTokens
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

    /// How many workers have the same directions.
    public var groupSize: Int {
      switch self {
      case .perturbations: 1
      case .data: .max
      case .both: 2
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

  /// The tensors of `layout` that are perturbed and learned, in any step; nil for all.
  public func selection(of layout: ParameterLayout) -> TensorSelection? {
    factors == .both ? nil : TensorSelection(of: layout, where: isMoved)
  }

  /// The tensors of `layout` that each step perturbs and learns.
  ///
  /// Of L layers, the l-th from 0 belongs to block floor(l n / L) of n.
  public func moved(of layout: ParameterLayout) -> MovedTensors {
    guard blockCount > 1 else { return MovedTensors(selection(of: layout)) }
    let layers = layout.entries.map(\.layer)
    let ordered = Set(layers.compactMap(\.self)).sorted()
    let blocks = Dictionary(
      uniqueKeysWithValues: ordered.enumerated().map { ($1, $0 * blockCount / ordered.count) })
    return MovedTensors(
      inTurn: (0..<blockCount).map { block in
        TensorSelection(
          isSelected: zip(layout.entries, layers).map { entry, layer in
            isMoved(entry) && layer.flatMap { blocks[$0] } ?? 0 == block
          })
      })
  }

  private func isMoved(_ entry: ParameterLayout.Entry) -> Bool {
    factors == .both || !entry.name.hasSuffix(".lora_A.weight")
  }

  /// How many values of an adapter of `layout` a step perturbs and learns, on average.
  public func movedCount(of layout: ParameterLayout) -> Int {
    let count = layout.entries.filter(isMoved).reduce(0) { $0 + $1.range.count }
    return max(1, count / blockCount)
  }

  /// Refuses more blocks than the layers whose tensors `layout` has.
  ///
  /// - Throws: `badSetting`.
  public func check(for layout: ParameterLayout) throws(TrainingError) {
    let layerCount = Set(layout.entries.compactMap(\.layer)).count
    guard blockCount == 1 || blockCount <= layerCount else {
      throw .badSetting(
        name: "blockCount", value: "\(blockCount)",
        allowed: "at most \(layerCount), the layers that have an adapter")
    }
  }

  /// What a worker's steps from one version are held against, and replayed by.
  ///
  /// - Precondition: the settings were checked.
  public func walkRules(of layout: ParameterLayout) -> WalkRules {
    WalkRules(
      source: source, distribution: distribution, rule: rule, moved: moved(of: layout),
      stepCount: localSteps, queryCount: queryCount)
  }

  /// Refuses settings with which no training is possible, and more steps in `totalVersions` versions
  /// than directions have numbers for.
  ///
  /// - Throws: `badSetting` with the setting's name, its value, and what is allowed.
  public func check(totalVersions: Int) throws(TrainingError) {
    try checkSettings()
    let (count, overflows) = localSteps.multipliedReportingOverflow(by: totalVersions)
    guard !overflows, UInt32(exactly: count) != nil else {
      throw .badSetting(
        name: "localSteps", value: "\(localSteps) in each of \(totalVersions) versions",
        allowed: "at most \(UInt32.max) steps in the run")
    }
  }

  private func checkSettings() throws(TrainingError) {
    for (name, value, least, most) in [
      ("localSteps", localSteps, 1, 1_000_000), ("batchSize", batchSize, 1, 1_000_000),
      ("queryCount", queryCount, estimator.leastQueryCount, 100_000),
      ("maximumTokens", maximumTokens, 2, 1_000_000), ("blockCount", blockCount, 1, 100_000),
    ] where !(least...most).contains(value) {
      throw .badSetting(name: name, value: "\(value)", allowed: "from \(least) to \(most)")
    }
    for (name, value) in [
      ("learningRate", Float(learningRate)), ("perturbation", estimator.perturbation),
    ] where !(value > 0 && value.isFinite) {
      throw .badSetting(
        name: name, value: "\(value)", allowed: "positive and finite, as a 32-bit float")
    }
    guard !isConservative || !rule.hasState else {
      throw .badSetting(
        name: "isConservative", value: "true", allowed: "false with momentum and Adam")
    }
    guard parallelism == nil || !isConservative else {
      throw .badSetting(
        name: "isConservative", value: "true", allowed: "false where workers take steps together")
    }
    guard parallelism == nil || localSteps == 1 else {
      throw .badSetting(
        name: "localSteps", value: "\(localSteps)", allowed: "1 where workers take steps together")
    }
    try checkSource()
    try rule.check()
  }

  private func checkSource() throws(TrainingError) {
    guard parallelism == nil || source == .own else {
      throw .badSetting(
        name: "source", value: "\(source)", allowed: "own where workers take steps together")
    }
    guard let count = source.count else { return }
    guard blockCount == 1 else {
      throw .badSetting(
        name: "blockCount", value: "\(blockCount)",
        allowed: "1 with directions of a pool, which are the same in every step")
    }
    guard (queryCount...(1 << 20)).contains(count) else {
      throw .badSetting(
        name: "source", value: "\(source)",
        allowed: "from \(queryCount) directions, those of a step, to \(1 << 20)")
    }
    guard !rule.hasState else {
      throw .badSetting(
        name: "source", value: "\(source)", allowed: "own or shared with momentum and Adam")
    }
  }
}

extension UpdateRule {
  fileprivate func check() throws(TrainingError) {
    func checkShare(_ name: String, _ value: Double) throws(TrainingError) {
      guard (0..<1).contains(value) else {
        throw .badSetting(name: name, value: "\(value)", allowed: "at least 0 and below 1")
      }
    }
    switch self {
    case .sgd, .sign: break
    case .momentum(let beta): try checkShare("beta", beta)
    case .adam(let beta1, let beta2, let epsilon):
      try checkShare("beta1", beta1)
      try checkShare("beta2", beta2)
      guard epsilon > 0 && epsilon.isFinite else {
        throw .badSetting(name: "epsilon", value: "\(epsilon)", allowed: "positive and finite")
      }
    }
  }
}

extension ParameterLayout.Entry {
  /// The layer that the tensor belongs to, as its name says: the first number in it, as in
  /// `model.layers.12.mlp.up_proj.lora_B.weight`; nil without one.
  fileprivate var layer: Int? {
    name.split(separator: ".").lazy.compactMap { Int($0) }.first
  }
}
