// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenization

@testable import Training

struct ExampleSetTests {
  private let plain: Tokenizer
  private let beginning: Tokenizer

  init() throws {
    let model = try TinyModel()
    plain = model.tokenizer
    beginning = try model.beginningTokenizer()
  }

  @Test func promptAndCompletionAreTokenizedApartAndJoined() throws {
    let set = try exampleSet(#"{"prompt": "to be or no", "completion": "t to be"}"#, plain)
    let prompt = plain.ids(of: "to be or no")
    #expect(set.examples[0].tokens == prompt + plain.ids(of: "t to be"))
    #expect(set.examples[0].tokens != plain.ids(of: "to be or not to be"))
    #expect(set.examples[0].promptCount == prompt.count)
    #expect(set.examples[0].predicted == prompt.count..<set.examples[0].tokens.count)
    #expect(set.truncatedCount == 0)
  }

  @Test func onlyThePromptGetsSpecialTokens() throws {
    let set = try exampleSet(
      #"{"prompt": "to be", "completion": " or", "choices": [" or", " not"]}"#, beginning)
    let example = set.examples[0]
    #expect(example.tokens == [1] + plain.ids(of: "to be") + plain.ids(of: " or"))
    #expect(example.choices?.completions == [plain.ids(of: " or"), plain.ids(of: " not")])
    #expect(example.choices?.answer == 0)
  }

  @Test func aTextIsPredictedFromItsSecondTokenOn() throws {
    let line = #"{"text": "to be or not"}"#
    let without = try exampleSet(line, plain).examples[0]
    #expect(without.predicted == 1..<plain.ids(of: "to be or not").count)
    let with = try exampleSet(line, beginning).examples[0]
    #expect(with.tokens.first == 1)
    #expect(with.predicted == 1..<(plain.ids(of: "to be or not").count + 1))
  }

  @Test func anEmptyPromptLeavesTheFirstTokenUnpredicted() throws {
    let line = #"{"prompt": "", "completion": "to be or not"}"#
    let without = try exampleSet(line, plain).examples[0]
    #expect(without.promptCount == 0)
    #expect(without.predicted.lowerBound == 1)
    let with = try exampleSet(line, beginning).examples[0]
    #expect(with.promptCount == 1)
    #expect(with.predicted.count == with.tokens.count - 1)
  }

  @Test func aLongPromptLosesItsLeft() throws {
    let line =
      #"{"prompt": "to be or not to be that is the question", "completion": " of this"}"#
      + "\n" + #"{"prompt": "x", "completion": "y"}"#
    let whole = try exampleSet(line, plain).examples[0]
    for maximum in (whole.tokens.count - whole.promptCount + 1)..<whole.tokens.count {
      let set = try exampleSet(line, plain, maximumTokens: maximum)
      #expect(set.truncatedCount == 1)
      #expect(set.examples[0].tokens == Array(whole.tokens.suffix(maximum)))
      #expect(set.examples[0].predicted.count == whole.predicted.count)
    }
    #expect(try exampleSet(line, plain, maximumTokens: whole.tokens.count).truncatedCount == 0)
  }

  @Test func theBeginningOfAPromptStaysWhenItIsCut() throws {
    let line = #"{"prompt": "to be or not to be that is", "completion": " of this"}"#
    let whole = try exampleSet(line, beginning).examples[0]
    let set = try exampleSet(line, beginning, maximumTokens: whole.tokens.count - 2)
    #expect(set.examples[0].tokens == [1] + whole.tokens.dropFirst(3))
    #expect(set.examples[0].promptCount == whole.promptCount - 2)
  }

  @Test func theLongestChoiceDecidesHowMuchOfThePromptFits() throws {
    let line =
      #"{"prompt": "to be or not", "completion": " a", "choices": [" a", " of this question"]}"#
    let longest = plain.ids(of: " of this question").count
    let set = try exampleSet(line, plain, maximumTokens: longest + 2)
    #expect(set.examples[0].promptCount == 2)
    #expect(set.truncatedCount == 1)
  }

  @Test func aCompletionThatDoesNotFitIsRefused() throws {
    let line =
      #"{"text": "to be"}"# + "\n\n" + #"{"prompt": "to", "completion": " of this question"}"#
    let count = plain.ids(of: " of this question").count
    #expect(
      throws: TrainingError.badRow(
        file: "rows", line: 3, .completionTooLong(tokenCount: count, maximum: count))
    ) { try exampleSet(line, plain, maximumTokens: count) }
    #expect(throws: TrainingError.self) {
      try exampleSet(line, beginning, maximumTokens: count + 1)
    }
    let whole = try exampleSet(line, beginning).examples[1].tokens.count
    #expect(try exampleSet(line, beginning, maximumTokens: whole).truncatedCount == 0)
  }

  @Test func aLongTextLosesItsEnd() throws {
    let line = #"{"text": "to be or not to be"}"#
    let set = try exampleSet(line, plain, maximumTokens: 3)
    #expect(set.examples[0].tokens == Array(plain.ids(of: "to be or not to be").prefix(3)))
    #expect(set.truncatedCount == 1)
  }

  @Test func aTextOfOneTokenIsRefusedUnlessSomethingComesBefore() throws {
    let line = #"{"text": "a"}"#
    #expect(throws: TrainingError.badRow(file: "rows", line: 1, .nothingToPredict)) {
      try exampleSet(line, plain)
    }
    #expect(try exampleSet(line, beginning).examples[0].predicted == 1..<2)
    #expect(throws: TrainingError.badRow(file: "rows", line: 1, .nothingToPredict)) {
      try exampleSet(#"{"prompt": "", "completion": "a"}"#, plain)
    }
  }

  @Test func choicesAfterNothingAreRefused() throws {
    let line = #"{"prompt": "", "completion": "to be", "choices": ["to be", "or"]}"#
    #expect(throws: TrainingError.badRow(file: "rows", line: 1, .choicesWithoutPrompt)) {
      try exampleSet(line, plain)
    }
    #expect(try exampleSet(line, beginning).examples[0].choices?.answer == 0)
  }

  @Test func tokensOfAnotherVocabularyAreRefusedWithTheirLine() throws {
    let set = try exampleSet("\n" + #"{"prompt": "to", "completion": "be"}"#, plain)
    try set.check(vocabularySize: plain.vocabularySize, positionCount: nil)
    let largest = try #require(set.examples[0].tokens.max())
    #expect(throws: TrainingError.self) {
      try set.check(vocabularySize: Int(largest), positionCount: nil)
    }
    do throws(TrainingError) {
      try set.check(vocabularySize: 3, positionCount: nil)
    } catch {
      guard case .tokenOutsideVocabulary("rows", 2, _, 3) = error else {
        Issue.record("\(error)")
        return
      }
    }
    let negative = ExampleSet([Example(tokens: [1, -1], promptCount: 1)])
    #expect(throws: TrainingError.self) {
      try negative.check(vocabularySize: 512, positionCount: nil)
    }
    let choice = ExampleSet([
      Example(
        tokens: [1, 2], promptCount: 1,
        choices: Example.Choices(completions: [[2], [512]], answer: 0))
    ])
    #expect(throws: TrainingError.self) {
      try choice.check(vocabularySize: 512, positionCount: nil)
    }
  }

  @Test func moreTokensThanPositionsAreRefusedWithTheirLine() throws {
    let set = ExampleSet(
      [Example(tokens: [1, 2, 3, 4], promptCount: 2, line: 7)], name: "rows")
    try set.check(vocabularySize: 9, positionCount: 4)
    #expect(
      throws: TrainingError.sequenceTooLong(
        file: "rows", line: 7, tokenCount: 4, positionCount: 3)
    ) { try set.check(vocabularySize: 9, positionCount: 3) }
    let choice = ExampleSet([
      Example(
        tokens: [1, 2], promptCount: 1,
        choices: Example.Choices(completions: [[2], [3, 4, 5]], answer: 0))
    ])
    try choice.check(vocabularySize: 9, positionCount: 4)
    #expect(throws: TrainingError.self) { try choice.check(vocabularySize: 9, positionCount: 3) }
  }
}
