// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Federation
public import Models
internal import Randomness
public import Rounds
internal import Tensors
public import Training

// What one worker learns with, and what it takes.

extension LoadedModel {
  /// What `worker` can do in a run of `plan`, with the data at `path`, and how it learns.
  ///
  /// - Parameters:
  ///   - dataDigest: the digest of the data, as the coordinator is told; nil if it is not.
  ///   - method: how it learns in a mixed run; nil for what its memory allows.
  ///   - threadCount: how many threads compute a step, if there is memory for all of them. What is
  ///     learned does not depend on it.
  ///   - memory: the most bytes that a step may take; nil for what the plan says. What is learned
  ///     does not depend on it, but for the method where it decides that.
  ///   - machineMemory: the most bytes where neither says anything.
  /// - Throws: also when that is too little, or the run's workers do not learn by `method`.
  public func ability(
    of worker: WorkerID, data path: String, dataDigest: Digest? = nil, plan: RunPlan,
    method: TrainingMethod? = nil, threadCount: Int = 1, memory: Int? = nil,
    machineMemory: Int = MachineMemory.byteCount
  ) throws -> (ability: WorkerService.Ability, method: TrainingMethod) {
    // The plan came from elsewhere, and its sizes are what memory is planned with.
    try plan.training.check(totalVersions: plan.rounds.versionCount)
    let model = try adapted(by: plan)
    let budget = memory ?? plan.workerMemory ?? machineMemory
    let task = try task(method, data: path, plan: plan, of: model, budget: budget)
    let memory = try task.memoryPlan(of: model, threadCount: threadCount, budget: budget)
    let (seed, versionCount) = (plan.seed(of: worker), plan.rounds.versionCount)
    switch task.settings {
    case .gradient(let settings):
      let trainer = try GradientTrainer(
        model: model, examples: task.examples, settings: settings, totalVersions: versionCount,
        seed: seed, threadCount: memory.threadCount, recomputing: memory.recomputedBlockCount)
      return (.learning(trainer), .gradient)
    case .zerothOrder(let settings) where plan.training.isBySteps:
      let evaluator = try StepEvaluator(
        model: model, examples: task.examples, settings: settings,
        seed: plan.seedOfOrder(of: worker, data: dataDigest),
        directions: plan.stepDirections(settings.distribution), threadCount: memory.threadCount,
        adapterCount: memory.adapterCount)
      return (.evaluating(evaluator), .zerothOrder)
    case .zerothOrder(let settings):
      let trainer = try ZerothOrderTrainer(
        model: model, examples: task.examples, settings: settings, totalVersions: versionCount,
        seed: seed,
        directions: plan.directions(
          of: worker, from: settings.source, drawnFrom: settings.distribution),
        threadCount: memory.threadCount, adapterCount: memory.adapterCount)
      return (.learning(ZerothOrderLearner(trainer)), .zerothOrder)
    }
  }

  /// What a worker takes for a step on the data at `path`: with so many threads and all that is
  /// useful kept, and at least.
  ///
  /// - Parameter method: how it learns in a mixed run; nil for what the plan's limit allows.
  public func memoryPlans(
    data path: String, plan: RunPlan, method: TrainingMethod? = nil, threadCount: Int
  ) throws -> (useful: MemoryPlan, least: MemoryPlan) {
    let model = try adapted(by: plan)
    let task = try task(method, data: path, plan: plan, of: model, budget: plan.workerMemory)
    return (
      try task.memoryPlan(of: model, threadCount: threadCount, budget: nil),
      task.leastMemoryPlan(of: model)
    )
  }

  /// The task of a worker that learns by `method`; in a mixed run without one by gradients, unless
  /// `budget` is too small for that.
  private func task(
    _ method: TrainingMethod?, data path: String, plan: RunPlan, of model: AdaptedModel,
    budget: Int?
  ) throws -> WorkerTask {
    func task(_ settings: WorkerTask.Settings) throws -> WorkerTask {
      WorkerTask(
        settings: settings,
        examples: try examples(at: path, for: plan, maximumTokens: settings.maximumTokens))
    }
    switch (plan.training, method) {
    case (.gradient(let settings), .gradient?), (.gradient(let settings), nil),
      (.mixed(let settings, _), .gradient?):
      return try task(.gradient(settings))
    case (.zerothOrder(let settings), .zerothOrder?), (.zerothOrder(let settings), nil),
      (.mixed(_, let settings), .zerothOrder?):
      return try task(.zerothOrder(settings))
    case (.mixed(let byGradients, let byLosses), nil):
      let first = try task(.gradient(byGradients))
      let isAffordable = first.leastMemoryPlan(of: model).byteCount <= budget ?? .max
      return isAffordable ? first : try task(.zerothOrder(byLosses))
    case (.gradient, .zerothOrder?): throw InputError(unmethodical("gradients"))
    case (.zerothOrder, .gradient?): throw InputError(unmethodical("losses alone"))
    }
  }

  private func unmethodical(_ method: String) -> String {
    "the run's workers learn by \(method); leave out the worker's method, or set training.method "
      + "to mixed"
  }
}

/// How one worker learns, and from what.
struct WorkerTask {
  /// A method and its settings.
  enum Settings {
    case gradient(GradientTraining)
    case zerothOrder(ZerothOrderTraining)

    var maximumTokens: Int {
      switch self {
      case .gradient(let settings): settings.maximumTokens
      case .zerothOrder(let settings): settings.maximumTokens
      }
    }

    var batchSize: Int {
      switch self {
      case .gradient(let settings): settings.batchSize
      case .zerothOrder(let settings): settings.batchSize
      }
    }
  }

  let settings: Settings
  let examples: ExampleSet

  private var extent: BatchExtent { examples.largestParts(of: settings.batchSize) }

  func memoryPlan(of model: AdaptedModel, threadCount: Int, budget: Int?) throws -> MemoryPlan {
    switch settings {
    case .gradient:
      try model.memoryPlan(
        of: extent, threadCount: threadCount, vectorCount: workerVectorCount,
        others: programByteCount, budget: budget)
    case .zerothOrder(let settings):
      try model.memoryPlan(
        ofLossesOf: extent, adapterCount: settings.lossCount, threadCount: threadCount,
        vectorCount: workerVectorCount, others: programByteCount, budget: budget)
    }
  }

  func leastMemoryPlan(of model: AdaptedModel) -> MemoryPlan {
    switch settings {
    case .gradient:
      model.leastMemoryPlan(
        of: extent, vectorCount: workerVectorCount, others: programByteCount)
    case .zerothOrder:
      model.leastMemoryPlan(
        ofLossesOf: extent, vectorCount: workerVectorCount, others: programByteCount)
    }
  }
}

/// The vectors as large as the adapter that a worker has in a step: the model's start, the round's,
/// the adapter, its gradient and two moments; the last update, its residual, and the one before.
private let workerVectorCount = 9
