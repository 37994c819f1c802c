// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Digests
public import Federation
public import Models
internal import Randomness
internal import Rounds
internal import Synchronization
public import Tensors
public import Tokenization
public import Training

/// A base model in memory, with all that is made from it.
public struct LoadedModel: Sendable {
  /// Where it came from.
  public let checkpoint: Checkpoint
  /// Where it lies.
  public let path: String
  /// The frozen weights as they are stored, shared by everything in the process.
  public let base: DecoderModel
  private let quantized = QuantizedBases()
  /// Its tokenizer.
  public let tokenizer: Tokenizer

  /// Loads the checkpoint at `path`: a Hugging Face folder or a GGUF file.
  public init(path: String) throws {
    self.path = path
    checkpoint = try Checkpoint(path: path)
    tokenizer = try Tokenizer(checkpoint: checkpoint)
    base = try DecoderModel(checkpoint)
  }

  /// The examples in a file of JSON lines, by the plan's template and limit.
  public static func examples(
    at path: String, for plan: RunPlan, tokenizer: Tokenizer, contextLength: Int
  ) throws -> ExampleSet {
    let template = try plan.data.map {
      try DataTemplate(prompt: $0.prompt, completion: $0.completion)
    }
    return try ExampleSet(
      DataFile(path: path, template: template), tokenizer: tokenizer,
      maximumTokens: min(plan.training.maximumTokens, contextLength))
  }

  /// The base with an adapter as a plan wants it, and as this machine computes it.
  ///
  /// - Throws: when the plan's targets are not layers of this model.
  public func adapted(by plan: RunPlan) throws -> AdaptedModel {
    try plan.adapter.check(base.configuration)
    let base = try base(quantized: plan.quantization)
    return AdaptedModel(
      base: base.computing(in: plan.arithmetic), lora: plan.adapter)
  }

  func examples(at path: String, for plan: RunPlan) throws -> ExampleSet {
    try Self.examples(
      at: path, for: plan, tokenizer: tokenizer,
      contextLength: checkpoint.configuration.contextLength)
  }

  /// The frozen weights in fewer bits, made once for the process.
  ///
  /// - Parameter quantization: nil for the weights as they are stored.
  public func base(quantized quantization: Quantization?) throws -> DecoderModel {
    guard let quantization else { return base }
    return try quantized.base(of: checkpoint, quantization)
  }

  /// Writes an adapter as a PEFT folder that names this base.
  public func write(
    _ adapter: ParameterVector, of model: AdaptedModel, to folder: String
  ) throws {
    var exported = model.exported(adapter)
    exported.baseModel = path
    try exported.write(to: folder)
  }

  /// What `worker` can do in a run of `plan`, with the data at `path`.
  ///
  /// - Parameters:
  ///   - threadCount: how many threads compute a step, if there is memory for all of them. What is
  ///     learned does not depend on it.
  ///   - memory: the most bytes that a step may take; nil for what the plan says. What is learned
  ///     does not depend on it.
  /// - Throws: also when that is too little.
  public func ability(
    of worker: String, data path: String, plan: RunPlan, threadCount: Int = 1, memory: Int? = nil
  ) throws -> WorkerService.Ability {
    // The plan came from elsewhere, and its sizes are what memory is planned with.
    try plan.training.check(totalVersions: plan.rounds.versionCount)
    let model = try adapted(by: plan)
    let examples = try examples(at: path, for: plan)
    let memory = try memoryPlan(
      of: model, examples, plan.training, threadCount: threadCount,
      budget: memory ?? plan.workerMemory)
    let seed = plan.seed(of: worker)
    switch plan.training {
    case .gradient(let settings):
      return .learning(
        try GradientTrainer(
          model: model, examples: examples, settings: settings,
          totalVersions: plan.rounds.versionCount, seed: seed, threadCount: memory.threadCount,
          recomputing: memory.recomputedBlockCount))
    case .zerothOrder(let settings) where settings.parallelism != nil:
      return .evaluating(
        try StepEvaluator(
          model: model, examples: examples, settings: settings, seed: seed,
          directions: plan.stepDirections, threadCount: memory.threadCount,
          adapterCount: memory.adapterCount))
    case .zerothOrder(let settings):
      // Each worker has directions of its own: their errors are averaged out with the updates.
      return .learning(
        ZerothOrderLearner(
          try ZerothOrderTrainer(
            model: model, examples: examples, settings: settings,
            totalVersions: plan.rounds.versionCount, seed: seed,
            directions: Directions(of: seed, distribution: settings.distribution),
            threadCount: memory.threadCount, adapterCount: memory.adapterCount)))
    }
  }

  func memoryPlan(
    of model: AdaptedModel, _ examples: ExampleSet, _ training: TrainingPlan, threadCount: Int,
    budget: Int?
  ) throws -> MemoryPlan {
    let extent = examples.largestBatch(of: training.batchSize).ofParts
    switch training {
    case .gradient:
      return try model.memoryPlan(
        of: extent, threadCount: threadCount, vectorCount: workerVectorCount,
        others: programByteCount, budget: budget)
    case .zerothOrder(let settings):
      return try model.memoryPlan(
        ofLossesOf: extent, adapterCount: settings.lossCount, threadCount: threadCount,
        vectorCount: workerVectorCount, others: programByteCount, budget: budget)
    }
  }

  /// What a worker takes for a step on the data at `path`: with so many threads and all that is
  /// useful kept, and at least.
  public func memoryPlans(
    data path: String, plan: RunPlan, threadCount: Int
  ) throws -> (useful: MemoryPlan, least: MemoryPlan) {
    let model = try adapted(by: plan)
    let examples = try examples(at: path, for: plan)
    let useful = try memoryPlan(
      of: model, examples, plan.training, threadCount: threadCount, budget: nil)
    let extent = examples.largestBatch(of: plan.training.batchSize).ofParts
    switch plan.training {
    case .gradient:
      return (
        useful,
        model.leastMemoryPlan(of: extent, vectorCount: workerVectorCount, others: programByteCount)
      )
    case .zerothOrder:
      return (
        useful,
        model.leastMemoryPlan(
          ofLossesOf: extent, vectorCount: workerVectorCount, others: programByteCount)
      )
    }
  }

  /// Measures adapters of `plan` on the data at `path`.
  public func evaluation(
    data path: String, plan: RunPlan
  ) throws -> @Sendable (ParameterVector) throws -> Evaluation {
    let evaluator = try Evaluator(
      model: adapted(by: plan), examples: examples(at: path, for: plan))
    return { adapter in
      try evaluator.evaluate(adapter) { _ in try Task.checkCancellation() }
    }
  }
}

/// The vectors as large as the adapter that a worker has in a step: the model's start, the round's,
/// the adapter, its gradient and two moments; the last update, its residual, and the one before.
private let workerVectorCount = 9

extension RunPlan {
  /// Where the randomness of a worker starts.
  func seed(of worker: String) -> Seed { Seed(seed).derived("worker/\(worker)") }

  /// What this machine multiplies frozen weights in, in such a run.
  public var arithmetic: ProductArithmetic { ProductArithmetic(compute ?? training.precision) }
}

/// Bases in fewer bits, each made when it is first asked for.
private final class QuantizedBases: Sendable {
  private let made = Mutex([Quantization: DecoderModel]())

  func base(of checkpoint: Checkpoint, _ quantization: Quantization) throws -> DecoderModel {
    try made.withLock { made in
      if let base = made[quantization] { return base }
      let base = try DecoderModel(checkpoint, quantization: quantization)
      made[quantization] = base
      return base
    }
  }
}
