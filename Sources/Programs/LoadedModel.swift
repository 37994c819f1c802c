// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Digests
public import Federation
public import Models
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
  private let derived = DerivedBases()
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
  ///
  /// - Parameter maximumTokens: of an example; nil for the most that any worker's method takes.
  public static func examples(
    at path: String, for plan: RunPlan, tokenizer: Tokenizer, contextLength: Int,
    maximumTokens: Int? = nil
  ) throws -> ExampleSet {
    let template = try plan.data.map {
      try DataTemplate(prompt: $0.prompt, completion: $0.completion)
    }
    return try ExampleSet(
      DataFile(path: path, template: template), tokenizer: tokenizer,
      maximumTokens: min(maximumTokens ?? plan.training.maximumTokens, contextLength))
  }

  /// The base with an adapter as a plan wants it, and as this machine computes it.
  ///
  /// - Throws: when the plan's targets are not layers of this model.
  public func adapted(by plan: RunPlan) throws -> AdaptedModel {
    try plan.adapter.check(base.configuration)
    try plan.training.check(for: plan.adapter)
    let base = try base(quantized: plan.quantization, computing: plan.arithmetic)
    let model: AdaptedModel
    switch plan.adapter {
    case .lora(let lora):
      model = AdaptedModel(base: base, lora: lora, loftQ: try loftQ(of: lora, plan.quantization))
    case .weights(let weights):
      model = AdaptedModel(base: base, weights: try derived.weights(of: checkpoint, weights))
    }
    try plan.training.zerothOrder?.check(for: model.layout)
    return model
  }

  func examples(
    at path: String, for plan: RunPlan, maximumTokens: Int? = nil
  ) throws -> ExampleSet {
    try Self.examples(
      at: path, for: plan, tokenizer: tokenizer,
      contextLength: checkpoint.configuration.contextLength, maximumTokens: maximumTokens)
  }

  /// The frozen weights in fewer bits, for products of a kind, made once for the process.
  ///
  /// - Parameter quantization: nil for the weights as they are stored.
  public func base(
    quantized quantization: Quantization?, computing arithmetic: ProductArithmetic
  ) throws -> DecoderModel {
    try derived.base(of: self, quantization, arithmetic)
  }

  /// What an adapter begins with that makes good what weights lost in fewer bits, made once for the
  /// process; nil for one that begins with zero, as it does where nothing was lost.
  private func loftQ(
    of adapter: LoRAConfiguration, _ quantization: Quantization?
  ) throws -> LoftQ? {
    guard adapter.start == .loftQ, let quantization else { return nil }
    return try derived.loftQ(of: checkpoint, adapter, quantization)
  }

  /// Writes an adapter as a folder that names this base, as PEFT's where PEFT knows its form.
  public func write(
    _ adapter: ParameterVector, of model: AdaptedModel, to folder: String
  ) throws {
    var exported = model.exportedFolder(adapter)
    exported.baseModel = path
    try exported.write(to: folder)
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

extension RunPlan {
  /// What this machine multiplies frozen weights in, in such a run.
  public var arithmetic: ProductArithmetic { ProductArithmetic(compute ?? training.precision) }
}

/// Bases in fewer bits and for products of some kind, and what adapters of them begin with, each made
/// when it is first asked for.
private final class DerivedBases: Sendable {
  private struct Kind: Hashable {
    let quantization: Quantization?
    let arithmetic: ProductArithmetic
  }

  private struct Adapted: Hashable {
    let adapter: LoRAConfiguration
    let quantization: Quantization
  }

  private let made = Mutex([Kind: DecoderModel]())
  private let starts = Mutex([Adapted: LoftQ]())
  private let weights = Mutex([WeightAdapterConfiguration: WeightModules]())

  func base(
    of model: LoadedModel, _ quantization: Quantization?, _ arithmetic: ProductArithmetic
  ) throws -> DecoderModel {
    // A unit's operands are packed in as many bits, and its products are the same.
    let isPacked = quantization == .bf16 && arithmetic.packs
    let kind = Kind(quantization: isPacked ? nil : quantization, arithmetic: arithmetic)
    return try made.withLock { made in
      if let base = made[kind] { return base }
      let stored =
        try kind.quantization.map { try DecoderModel(model.checkpoint, quantization: $0) }
        ?? model.base
      let base = stored.computing(in: arithmetic)
      made[kind] = base
      return base
    }
  }

  func weights(
    of checkpoint: Checkpoint, _ configuration: WeightAdapterConfiguration
  ) throws -> WeightModules {
    try weights.withLock { weights in
      if let modules = weights[configuration] { return modules }
      let modules = try WeightModules(of: checkpoint, configuration)
      weights[configuration] = modules
      return modules
    }
  }

  func loftQ(
    of checkpoint: Checkpoint, _ adapter: LoRAConfiguration, _ quantization: Quantization
  ) throws -> LoftQ {
    try starts.withLock { starts in
      let key = Adapted(adapter: adapter, quantization: quantization)
      if let start = starts[key] { return start }
      let start = try LoftQ(of: checkpoint, adapter, quantization)
      starts[key] = start
      return start
    }
  }
}
