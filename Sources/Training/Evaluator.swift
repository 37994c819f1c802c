// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
public import Models
public import Tensors

/// How well a model predicts a data set.
public struct Evaluation: Hashable, Sendable {
  /// The mean of -log p over all predicted tokens.
  public let loss: Double
  /// How many tokens were predicted.
  public let tokenCount: Int
  /// The share of the rows with choices whose likeliest choice is the completion; nil without any.
  public let accuracy: Double?
}

/// Measures a model on a data set.
public struct Evaluator: Sendable {
  private let model: AdaptedModel
  private let examples: ExampleSet
  private let plan: ScoringPlan
  private let batches: [[ScoringPlan.Sequence]]

  /// A measure of `model` on `examples`, at most `tokenBudget` tokens at a time.
  ///
  /// - Throws: `tokenOutsideVocabulary` for examples of another model's tokenizer, or
  ///   `sequenceTooLong`.
  public init(
    model: AdaptedModel, examples: ExampleSet, tokenBudget: Int = 2048
  ) throws(TrainingError) {
    precondition(tokenBudget > 0, "a budget of \(tokenBudget) tokens")
    let configuration = model.base.configuration
    try examples.check(
      vocabularySize: configuration.vocabularySize, positionCount: configuration.positionCount)
    self.model = model
    self.examples = examples
    plan = ScoringPlan(examples.examples)
    batches = plan.batches(tokenBudget: tokenBudget)
  }

  /// The measure with one adapter.
  ///
  /// - Parameter progress: called after each batch with the share that is done, up to 1; what it
  ///   throws ends the evaluation.
  /// - Throws: `notFiniteProbability` for a model that is damaged; what `progress` throws.
  public func evaluate(
    _ adapter: ParameterVector, progress: (Double) throws -> Void = { _ in }
  ) throws -> Evaluation {
    let inputs = batches.map(TokenBatch.init)
    var workspace = model.makeWorkspace(
      for: .forward(adapterCount: 1), of: BatchExtent(ofLargest: inputs))
    var logProbabilities = [Float](repeating: 0, count: plan.slotCount)
    for (index, batch) in batches.enumerated() {
      let values = model.logProbabilities(of: inputs[index], adapter: adapter, in: &workspace)
      var next = 0
      for sequence in batch {
        let end = next + sequence.targets.count
        let slots = sequence.firstSlot..<(sequence.firstSlot + sequence.targets.count)
        logProbabilities.replaceSubrange(slots, with: values[next..<end])
        next = end
      }
      try progress(Double(index + 1) / Double(batches.count))
    }
    return try summary(logProbabilities)
  }

  /// Sums in the order of the rows, so that neither batches nor lengths matter.
  private func summary(_ logProbabilities: [Float]) throws(TrainingError) -> Evaluation {
    func total(_ slots: [Int]) -> Double { slots.reduce(0) { $0 + Double(logProbabilities[$1]) } }
    var loss = 0.0
    var tokenCount = 0
    var askedCount = 0
    var rightCount = 0
    for (example, slots) in zip(examples.examples, plan.examples) {
      let score = total(slots.completion)
      guard score.isFinite else {
        throw .notFiniteProbability(file: examples.name, line: example.line)
      }
      loss -= score
      tokenCount += slots.completion.count
      guard let choices = example.choices else { continue }
      var best = 0
      let scores = slots.choices.map(total)
      guard scores.allSatisfy(\.isFinite) else {
        throw .notFiniteProbability(file: examples.name, line: example.line)
      }
      for choice in scores.indices where scores[choice] > scores[best] { best = choice }
      askedCount += 1
      if choices.completions[best] == choices.completions[choices.answer] { rightCount += 1 }
    }
    return Evaluation(
      loss: loss / Double(tokenCount), tokenCount: tokenCount,
      accuracy: askedCount == 0 ? nil : Double(rightCount) / Double(askedCount))
  }
}

extension TokenBatch {
  fileprivate init(_ sequences: [ScoringPlan.Sequence]) {
    var tokens: [Int32] = []
    var targets: [Target] = []
    for sequence in sequences {
      let start = tokens.count
      tokens += sequence.tokens
      targets += sequence.targets.map { Target(position: start + $0.position, token: $0.token) }
    }
    self.init(tokens: tokens, sequenceLengths: sequences.map(\.tokens.count), targets: targets)
  }
}
