// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

struct TrainingErrorTests {
  static let problems: [RowProblem] = [
    .invalidUTF8, .notAnObject("invalid JSON"), .missingColumn("a\nb", present: ["c"]),
    .missingColumn("a", present: []), .wrongType(column: "a", found: "null", needed: "a string"),
    .empty("completion"), .completionNotAmongChoices(" x\n"), .choicesWithoutPrompt,
    .nothingToPredict, .completionTooLong(tokenCount: 9, maximum: 8),
  ]

  static let errors: [TrainingError] = [
    .unusableFile(path: "a.jsonl", reason: "cannot be read: permission denied"),
    .noRows(file: "a.jsonl"), .badTemplate("{\n", problem: "a { is not closed"),
    .badSetting(name: "batchSize", value: "0", allowed: "from 1 to 1000000"),
    .tokenOutsideVocabulary(file: "a.jsonl", line: 2, token: 7, vocabularySize: 5),
    .sequenceTooLong(file: "a.jsonl", line: 2, tokenCount: 7, positionCount: 5),
    .tooFewExamples(exampleCount: 1, workerCount: 2),
    .notFinite(what: "the loss", version: 3, step: 1),
    .notFiniteProbability(file: "a.jsonl", line: 4),
    .badWordNet(file: "data.noun", line: 30, problem: "not a line of WordNet's nouns"),
    .tooFewDefinitions(topic: "food", count: 3, needed: 50),
  ]

  @Test(arguments: errors + problems.map { .badRow(file: "a.jsonl", line: 12, $0) })
  func anErrorIsOneLine(_ error: TrainingError) {
    #expect(!error.description.isEmpty)
    #expect(!error.description.contains("\n"))
  }

  @Test(arguments: problems)
  func aBadRowNamesFileAndLineFirst(_ problem: RowProblem) {
    let error = TrainingError.badRow(file: "a.jsonl", line: 12, problem)
    #expect(error.description == "a.jsonl, line 12: \(problem)")
  }

  @Test func aMissingColumnSaysWhatIsThere() {
    let problem = RowProblem.missingColumn("label", present: ["Label", "text"])
    #expect(problem.description.hasPrefix(#"no column "label" among "Label", "text"; "#))
  }
}
