// SPDX-License-Identifier: Apache-2.0

/// What can be wrong with data, templates, settings, and a training step.
public enum TrainingError: Error, Equatable {
  /// A file that cannot be read or written, with the system's reason.
  case unusableFile(path: String, reason: String)
  /// A data file without a single row.
  case noRows(file: String)
  /// A row that cannot be used.
  case badRow(file: String, line: Int, RowProblem)
  /// A template that cannot be understood.
  case badTemplate(String, problem: String)
  /// A setting outside its range.
  case badSetting(name: String, value: String, allowed: String)
  /// A row whose tokens the model does not know: the tokenizer is another model's.
  case tokenOutsideVocabulary(file: String, line: Int, token: Int32, vocabularySize: Int)
  /// A row of more tokens than the model has positions for.
  case sequenceTooLong(file: String, line: Int, tokenCount: Int, positionCount: Int)
  /// Fewer examples than workers who need at least one each.
  case tooFewExamples(exampleCount: Int, workerCount: Int)
  /// A training step whose loss or gradient is infinite or not a number.
  case notFinite(what: String, version: Int, step: Int)
  /// A row whose probability under the model is not a number.
  case notFiniteProbability(file: String, line: Int)
  /// A WordNet file that is not one.
  case badWordNet(file: String, line: Int, problem: String)
  /// A topic with fewer definitions than are to be held out.
  case tooFewDefinitions(topic: String, count: Int, needed: Int)
}

/// What is wrong with a row of a data file.
public enum RowProblem: Error, Hashable, Sendable {
  /// Bytes that are not UTF-8.
  case invalidUTF8
  /// Not a JSON object, with the parser's reason.
  case notAnObject(String)
  /// A column that is asked for and not there.
  case missingColumn(String, present: [String])
  /// A column of another type than is needed.
  case wrongType(column: String, found: String, needed: String)
  /// A completion, text or choice without a character.
  case empty(String)
  /// Choices that do not contain the row's completion.
  case completionNotAmongChoices(String)
  /// Choices in a row that has no completion, or no prompt to choose after.
  case choicesWithoutPrompt
  /// Too few tokens to predict one from those before it.
  case nothingToPredict
  /// A completion that does not fit, even with all but one token of its prompt cut off.
  case completionTooLong(tokenCount: Int, maximum: Int)
}

extension TrainingError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .unusableFile(let path, let reason): "\(path): \(reason)"
    case .noRows(let file): "\(file): no rows; write one JSON object a line"
    case .badRow(let file, let line, let problem): "\(file), line \(line): \(problem)"
    case .badTemplate(let template, let problem):
      "template \(template.debugDescription): \(problem)"
    case .badSetting(let name, let value, let allowed):
      "\(name) is \(value), but must be \(allowed)"
    case .tokenOutsideVocabulary(let file, let line, let token, let size):
      "\(file), line \(line): token \(token) is outside the model's vocabulary of \(size); "
        + "use the tokenizer that belongs to the model"
    case .sequenceTooLong(let file, let line, let tokenCount, let positionCount):
      "\(file), line \(line): \(tokenCount) tokens, but the model has learned \(positionCount) "
        + "positions; lower the maximum of tokens to that"
    case .tooFewExamples(let exampleCount, let workerCount):
      "\(exampleCount) examples cannot be shared among \(workerCount) workers; "
        + "each needs at least one"
    case .notFinite(let what, let version, let step):
      "\(what) is not finite at step \(step) from version \(version); "
        + "lower the learning rate or the gradient clip"
    case .notFiniteProbability(let file, let line):
      "\(file), line \(line): the model's probability is not a number; "
        + "the adapter or the checkpoint is damaged"
    case .badWordNet(let file, let line, let problem):
      "\(file), line \(line): \(problem); install Debian's wordnet-base"
    case .tooFewDefinitions(let topic, let count, let needed):
      "topic \(topic) has \(count) definitions, more than \(needed) are needed"
    }
  }
}

extension RowProblem: CustomStringConvertible {
  /// What is wrong and what to do, without the place.
  public var description: String {
    switch self {
    case .invalidUTF8: "not valid UTF-8; save the file as UTF-8"
    case .notAnObject(let reason): "not a JSON object (\(reason)); write one object a line"
    case .missingColumn(let name, let present):
      "no column \(name.debugDescription) among "
        + "\(present.isEmpty ? "none" : present.map(\.debugDescription).joined(separator: ", ")); "
        + "give `prompt` and `completion`, or `text`, or a template for other columns"
    case .wrongType(let column, let found, let needed):
      "column \(column.debugDescription) is \(found), but must be \(needed)"
    case .empty(let what): "the \(what) is empty; drop the row or fill it"
    case .completionNotAmongChoices(let completion):
      "the completion \(completion.debugDescription) is not among the choices; "
        + "write it there character by character, spaces included"
    case .choicesWithoutPrompt:
      "choices without a prompt before them; give a `prompt` and a `completion`"
    case .nothingToPredict:
      "too few tokens: the first of a text has nothing before it to be predicted from"
    case .completionTooLong(let tokenCount, let maximum):
      "the completion and the choices need \(tokenCount) tokens, but at most \(maximum) may be "
        + "used with a token of the prompt; raise maximumTokens or shorten the row"
    }
  }
}
