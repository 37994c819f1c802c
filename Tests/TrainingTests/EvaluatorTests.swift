// SPDX-License-Identifier: Apache-2.0
import Models
import Randomness
import Tensors
import Testing

@testable import Training

struct EvaluatorTests {
  @Test(arguments: TinyModel.names)
  func theMeasureIsThatOfOneSequenceAtATime(_ name: String) throws {
    let tiny = try TinyModel(name)
    let model = try tiny.adapted()
    let examples = try randomExamples(tiny)
    let found = try Evaluator(model: model, examples: examples, tokenBudget: 50)
      .evaluate(model.initialAdapter())
    let expected = try bruteForce(model, examples)
    #expect(abs(found.loss - expected.loss) < 1e-5 * expected.loss)
    #expect(found.tokenCount == expected.tokenCount)
    #expect(found.accuracy == expected.accuracy)
    #expect((0.05..<0.95).contains(found.accuracy ?? 0))
  }

  @Test func theBudgetAndTheOrderOfRowsDoNotMatter() throws {
    let tiny = try TinyModel()
    let model = try tiny.adapted()
    let examples = try randomExamples(tiny)
    let whole = try Evaluator(model: model, examples: examples).evaluate(model.initialAdapter())
    for budget in [1, 20, 100_000] {
      let other = try Evaluator(
        model: model, examples: ExampleSet(examples.examples.reversed()), tokenBudget: budget
      ).evaluate(model.initialAdapter())
      #expect(abs(other.loss - whole.loss) < 1e-6 * whole.loss)
      #expect(other.accuracy == whole.accuracy)
      #expect(other.tokenCount == whole.tokenCount)
    }
  }

  @Test func withoutChoicesThereIsNoAccuracy() throws {
    let tiny = try TinyModel()
    let model = AdaptedModel(base: tiny.base)
    let evaluation = try Evaluator(model: model, examples: tiny.goldenExamples())
      .evaluate(model.initialAdapter())
    #expect(evaluation.accuracy == nil)
    let examples = tiny.goldenExamples().examples
    #expect(evaluation.tokenCount == examples.map(\.predicted.count).reduce(0, +))
  }

  @Test func rowsWithoutChoicesDoNotCountForTheAccuracy() throws {
    let tiny = try TinyModel()
    let model = AdaptedModel(base: tiny.base)
    let lines = """
      {"prompt": "to be", "completion": " or", "choices": [" or"]}
      {"prompt": "to be", "completion": " or"}
      {"text": "to be or not"}
      """
    let evaluation = try Evaluator(model: model, examples: exampleSet(lines, tiny.tokenizer))
      .evaluate(model.initialAdapter())
    #expect(evaluation.accuracy == 1)
  }

  @Test func theLossIsWeightedByTokens() throws {
    let tiny = try TinyModel()
    let model = try tiny.adapted()
    let examples = tiny.goldenExamples().examples
    let parts = try examples.map {
      try Evaluator(model: model, examples: ExampleSet([$0])).evaluate(model.initialAdapter())
    }
    let whole = try Evaluator(model: model, examples: ExampleSet(examples))
      .evaluate(model.initialAdapter())
    let sum = parts.reduce(0) { $0 + $1.loss * Double($1.tokenCount) }
    #expect(abs(whole.loss - sum / Double(whole.tokenCount)) < 1e-6)
    #expect(abs(whole.loss - parts.reduce(0) { $0 + $1.loss } / 2) > 1e-3)
  }

  @Test func progressGoesToOneAndCanEndIt() throws {
    struct Enough: Error {}
    let tiny = try TinyModel()
    let model = try tiny.adapted()
    let evaluator = try Evaluator(
      model: model, examples: tiny.goldenExamples(), tokenBudget: 1)
    var shares: [Double] = []
    _ = try evaluator.evaluate(model.initialAdapter()) { shares.append($0) }
    #expect(shares == [0.5, 1])
    #expect(throws: Enough.self) {
      try evaluator.evaluate(model.initialAdapter()) { _ in throw Enough() }
    }
  }

  @Test func aDamagedAdapterIsNoticed() throws {
    let tiny = try TinyModel()
    let model = try tiny.adapted()
    var adapter = model.initialAdapter()
    adapter.values[5] = .nan
    #expect(throws: TrainingError.notFiniteProbability(file: "rows", line: 2)) {
      let set = try exampleSet("\n" + #"{"prompt": "to", "completion": " be"}"#, tiny.tokenizer)
      return try Evaluator(model: model, examples: set).evaluate(adapter)
    }
  }

  @Test func tokensOfAnotherVocabularyAreRefused() throws {
    let model = try TinyModel().adapted()
    #expect(throws: TrainingError.self) {
      try Evaluator(
        model: model, examples: ExampleSet([Example(tokens: [1, 512], promptCount: 1)]))
    }
  }

  /// Rows of all kinds; choices of one token and of many, some the beginning of others.
  private func randomExamples(_ tiny: TinyModel) throws -> ExampleSet {
    var stream = RandomStream(Seed(21))
    let words = ["to", " be", " or", " not", " that", " question", " winter's", "\\n", " é", "12"]
    func text(_ count: Int) -> String {
      (0..<count).map { _ in words[stream.integer(below: words.count)] }.joined()
    }
    let lines = (0..<40).map { index in
      if index % 8 == 7 { return #"{"text": "\#(text(4)) end"}"# }
      let choices = (0..<5).map { _ in text(1 + stream.integer(below: 3)) }
      let list = choices.map { "\"\($0)\"" }.joined(separator: ", ")
      return #"{"prompt": "\#(text(1 + stream.integer(below: 9)))", "#
        + #""completion": "\#(choices[stream.integer(below: 5)])", "choices": [\#(list)]}"#
    }
    return try exampleSet(lines.joined(separator: "\n"), tiny.tokenizer)
  }

  /// Each completion in a batch of its own, after the whole prompt.
  private func bruteForce(_ model: AdaptedModel, _ set: ExampleSet) throws -> Evaluation {
    var workspace = model.makeWorkspace()
    func score(_ tokens: [Int32], _ predicted: Range<Int>) -> Double {
      let batch = TokenBatch(
        tokens: tokens, sequenceLengths: [tokens.count],
        targets: predicted.map { .init(position: $0 - 1, token: tokens[$0]) })
      return model.logProbabilities(
        of: batch, adapter: model.initialAdapter(), in: &workspace
      ).reduce(0) { $0 + Double($1) }
    }
    var loss = 0.0
    var tokenCount = 0
    var right: [Double] = []
    for example in set.examples {
      loss -= score(example.tokens, example.predicted)
      tokenCount += example.predicted.count
      guard let choices = example.choices else { continue }
      let prompt = Array(example.tokens[..<example.promptCount])
      let scores = choices.completions.map {
        score(prompt + $0, prompt.count..<(prompt.count + $0.count))
      }
      let best = try #require(scores.firstIndex(of: scores.max() ?? 0))
      right.append(choices.completions[best] == choices.completions[choices.answer] ? 1 : 0)
    }
    return Evaluation(
      loss: loss / Double(tokenCount), tokenCount: tokenCount,
      accuracy: right.reduce(0, +) / Double(right.count))
  }
}
