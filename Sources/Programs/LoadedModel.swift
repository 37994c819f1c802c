// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Digests
public import Federation
public import Models
internal import Randomness
internal import Rounds
public import Tensors
public import Tokenization
public import Training

/// A base model in memory, with all that is made from it.
public struct LoadedModel: Sendable {
  /// Where it came from.
  public let checkpoint: Checkpoint
  /// Where it lies.
  public let path: String
  /// The frozen weights, shared by everything in the process.
  public let base: DecoderModel
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
    return AdaptedModel(
      base: base.computing(in: ProductArithmetic(plan.compute)), lora: plan.adapter)
  }

  private func examples(at path: String, for plan: RunPlan) throws -> ExampleSet {
    try Self.examples(
      at: path, for: plan, tokenizer: tokenizer,
      contextLength: checkpoint.configuration.contextLength)
  }

  /// Writes an adapter as a PEFT folder that names this base.
  public func write(
    _ adapter: ParameterVector, of model: AdaptedModel, to folder: String
  ) throws {
    var exported = model.exported(adapter)
    exported.baseModel = path
    try exported.write(to: folder)
  }

  /// What `worker` learns with in a run of `plan`, from the data at `path`.
  ///
  /// - Parameters:
  ///   - threadCount: how many threads compute a step, if there is memory for all of them. What is
  ///     learned does not depend on it.
  ///   - memory: the most bytes that a step may take; nil for what the plan says. What is learned
  ///     does not depend on it.
  /// - Throws: also when that is too little.
  public func trainer(
    for worker: String, data path: String, plan: RunPlan, threadCount: Int = 1, memory: Int? = nil
  ) throws -> GradientTrainer {
    let model = try adapted(by: plan)
    let examples = try examples(at: path, for: plan)
    let memory = try model.memoryPlan(
      of: examples.largestBatch(of: plan.training.batchSize).ofParts, threadCount: threadCount,
      vectorCount: workerVectorCount, others: programByteCount, budget: memory ?? plan.workerMemory)
    return try GradientTrainer(
      model: model, examples: examples, settings: plan.training,
      totalVersions: plan.rounds.versionCount, seed: Seed(plan.seed).derived("worker/\(worker)"),
      threadCount: memory.threadCount, recomputing: memory.recomputedBlockCount)
  }

  /// What a worker takes for a step on the data at `path`: with so many threads and all that is
  /// useful kept, and at least.
  public func memoryPlans(
    data path: String, plan: RunPlan, threadCount: Int
  ) throws -> (useful: MemoryPlan, least: MemoryPlan) {
    let model = try adapted(by: plan)
    let examples = try examples(at: path, for: plan)
    let extent = examples.largestBatch(of: plan.training.batchSize).ofParts
    return (
      try model.memoryPlan(
        of: extent, threadCount: threadCount, vectorCount: workerVectorCount,
        others: programByteCount),
      model.leastMemoryPlan(of: extent, vectorCount: workerVectorCount, others: programByteCount)
    )
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
