// SPDX-License-Identifier: Apache-2.0
public import Tokenization

/// A sequence of tokens of which those after the prompt are to be predicted.
public struct Example: Hashable, Sendable {
  /// The prompt's tokens, then the completion's.
  public let tokens: [Int32]
  /// How many tokens belong to the prompt; none when the whole text is to be predicted.
  public let promptCount: Int
  /// What to choose the completion from.
  public let choices: Choices?
  /// The line in the data file; 0 for an example from elsewhere.
  public let line: Int

  /// The completions among which the right one is to be found.
  public struct Choices: Hashable, Sendable {
    /// Each choice's tokens.
    public let completions: [[Int32]]
    /// Which of them is the example's completion.
    public let answer: Int
  }

  /// An example from its tokens.
  ///
  /// - Precondition: at least one token is to be predicted from one before it.
  public init(tokens: [Int32], promptCount: Int, choices: Choices? = nil, line: Int = 0) {
    precondition(
      promptCount >= 0 && tokens.count > max(1, promptCount),
      "\(tokens.count) tokens, \(promptCount) of them the prompt")
    self.tokens = tokens
    self.promptCount = promptCount
    self.choices = choices
    self.line = line
  }

  /// The indices of the tokens to be predicted: nothing comes before the first of a text.
  public var predicted: Range<Int> { max(1, promptCount)..<tokens.count }
}

/// The examples of a data file, tokenized.
public struct ExampleSet: Sendable {
  /// What errors call it: the path of the file.
  public let name: String
  /// The examples, in the file's order.
  public let examples: [Example]
  /// How many examples lost tokens to the limit.
  public let truncatedCount: Int

  /// How many examples there are.
  public var count: Int { examples.count }

  /// Examples from elsewhere.
  ///
  /// - Precondition: there is at least one.
  public init(_ examples: [Example], name: String = "examples") {
    precondition(!examples.isEmpty, "no examples")
    self.name = name
    self.examples = examples
    truncatedCount = 0
  }

  /// Tokenizes the rows of `file`.
  ///
  /// Prompt and completion are tokenized apart and joined, the prompt with the tokenizer's special
  /// tokens, the completion without. An example longer than `maximumTokens` loses tokens from the
  /// left of its prompt, special tokens at its beginning excepted; a whole text loses its end.
  ///
  /// - Precondition: `maximumTokens` is at least 2.
  public init(
    _ file: DataFile, tokenizer: Tokenizer, maximumTokens: Int
  ) throws(TrainingError) {
    precondition(maximumTokens >= 2, "at most \(maximumTokens) tokens an example")
    var cutter = Cutter(tokenizer: tokenizer, maximum: maximumTokens)
    var examples: [Example] = []
    for row in file.rows {
      do {
        examples.append(try cutter.example(of: row))
      } catch {
        throw .badRow(file: file.name, line: row.line, error)
      }
    }
    name = file.name
    self.examples = examples
    truncatedCount = cutter.truncatedCount
  }

  /// Refuses tokens that a model does not know, and more of them than it has positions for.
  func check(vocabularySize: Int, positionCount: Int?) throws(TrainingError) {
    let known = 0..<Int32(clamping: vocabularySize)
    for example in examples {
      let choices = example.choices?.completions ?? []
      let longest = choices.reduce(example.tokens.count) {
        max($0, example.promptCount + $1.count)
      }
      if let positionCount, longest > positionCount {
        throw .sequenceTooLong(
          file: name, line: example.line, tokenCount: longest, positionCount: positionCount)
      }
      for tokens in [example.tokens] + choices {
        guard let token = tokens.first(where: { !known.contains($0) }) else { continue }
        throw .tokenOutsideVocabulary(
          file: name, line: example.line, token: token, vocabularySize: vocabularySize)
      }
    }
  }
}

/// Makes examples of rows and counts those that it had to shorten.
private struct Cutter {
  let tokenizer: Tokenizer
  let maximum: Int
  var truncatedCount = 0

  mutating func example(of row: DataRow) throws(RowProblem) -> Example {
    switch row.text {
    case .whole(let text): try wholeText(text, line: row.line)
    case .completion(let completion, let prompt):
      try completed(prompt, by: completion, choices: row.choices, line: row.line)
    }
  }

  private mutating func wholeText(_ text: String, line: Int) throws(RowProblem) -> Example {
    var tokens = tokenizer.ids(of: text, addSpecialTokens: true)
    if tokens.count > maximum {
      truncatedCount += 1
      tokens.removeLast(tokens.count - maximum)
    }
    guard tokens.count > 1 else { throw .nothingToPredict }
    return Example(tokens: tokens, promptCount: 0, line: line)
  }

  private mutating func completed(
    _ prompt: String, by completion: String, choices: [String]?, line: Int
  ) throws(RowProblem) -> Example {
    let completionTokens = tokenizer.ids(of: completion, addSpecialTokens: false)
    let choiceTokens = (choices ?? []).map { tokenizer.ids(of: $0, addSpecialTokens: false) }
    let longest = choiceTokens.map(\.count).reduce(completionTokens.count, max)
    let promptTokens = try fitting(prompt, beside: longest)
    guard !completionTokens.isEmpty, promptTokens.count + completionTokens.count > 1 else {
      throw .nothingToPredict
    }
    var offered: Example.Choices?
    if let choices {
      guard !promptTokens.isEmpty else { throw .choicesWithoutPrompt }
      guard choiceTokens.allSatisfy({ !$0.isEmpty }) else { throw .empty("choice") }
      let answer = choices.firstIndex { $0.utf8.elementsEqual(completion.utf8) }
      guard let answer else { throw .completionNotAmongChoices(completion) }
      offered = Example.Choices(completions: choiceTokens, answer: answer)
    }
    return Example(
      tokens: promptTokens + completionTokens, promptCount: promptTokens.count, choices: offered,
      line: line)
  }

  /// The prompt's tokens, as many as fit beside `completionCount` others.
  private mutating func fitting(
    _ prompt: String, beside completionCount: Int
  ) throws(RowProblem) -> [Int32] {
    let tokens = tokenizer.ids(of: prompt, addSpecialTokens: true)
    guard tokens.count + completionCount > maximum else { return tokens }
    truncatedCount += 1
    let ordinary = tokenizer.ids(of: prompt, addSpecialTokens: false)
    let leadingCount =
      ordinary.isEmpty || !tokens.ends(with: ordinary)
      ? 0 : tokens.count - ordinary.count
    guard maximum - completionCount > leadingCount else {
      throw .completionTooLong(tokenCount: completionCount, maximum: maximum)
    }
    return tokens[..<leadingCount] + tokens.suffix(maximum - completionCount - leadingCount)
  }
}

extension [Int32] {
  fileprivate func ends(with other: [Int32]) -> Bool {
    count >= other.count && suffix(other.count).elementsEqual(other)
  }
}
