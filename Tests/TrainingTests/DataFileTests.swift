// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Randomness
import Testing

@testable import Training

struct DataFileTests {
  @Test func promptsAndTextsAreReadLineByLine() throws {
    let file = try read(
      """
      {"prompt": "2+2=", "completion": "4"}

      {"text": "A text.", "source": 7}
      \t
      {"completion": " ja", "prompt": "Antwort:", "text": "unused", "choices": [" nein", " ja"]}
      """)
    #expect(file.rows.map(\.line) == [1, 3, 5])
    #expect(file.rows[0].text == .completion("4", prompt: "2+2="))
    #expect(file.rows[0].choices == nil)
    #expect(file.rows[1].text == .whole("A text."))
    #expect(file.rows[2].text == .completion(" ja", prompt: "Antwort:"))
    #expect(file.rows[2].choices == [" nein", " ja"])
  }

  @Test func carriageReturnsAndAMissingLastNewlineAreFine() throws {
    let file = try read("{\"text\": \"a\"}\r\n\r\n{\"text\": \"b\"}")
    #expect(file.rows.map(\.text) == [.whole("a"), .whole("b")])
    #expect(file.rows.map(\.line) == [1, 3])
  }

  @Test func aTemplateMakesRowsOfOtherColumns() throws {
    let template = try DataTemplate(prompt: "Q: {q}\nA:", completion: " {a}{{}}")
    let file = try read(#"{"q": "{a}", "a": "é", "n": [1, {}]}"#, template: template)
    #expect(file.rows[0].text == .completion(" é{}", prompt: "Q: {a}\nA:"))
  }

  @Test func choicesAreComparedWithTheRenderedCompletion() throws {
    let template = try DataTemplate(prompt: "{q}", completion: " {a}")
    let row = #"{"q": "q", "a": "x", "choices": [" y", " x"]}"#
    #expect(try read(row, template: template).rows[0].choices == [" y", " x"])
    #expect(
      problem(#"{"q": "q", "a": "x", "choices": ["y", "x"]}"#, template: template)
        == .completionNotAmongChoices(" x"))
  }

  @Test(arguments: [
    (#"{"prompt": "p"}"#, RowProblem.missingColumn("completion", present: ["prompt"])),
    (
      #"{"completion": "p", "text": "t"}"#,
      .missingColumn("prompt", present: ["completion", "text"])
    ),
    (#"{}"#, .missingColumn("completion", present: [])),
    (
      #"{"prompt": 3, "completion": "c"}"#,
      .wrongType(column: "prompt", found: "a number", needed: "a string")
    ),
    (
      #"{"prompt": "p", "completion": null}"#,
      .wrongType(column: "completion", found: "null", needed: "a string")
    ),
    (#"{"text": true}"#, .wrongType(column: "text", found: "a boolean", needed: "a string")),
    (#"{"text": ["a"]}"#, .wrongType(column: "text", found: "an array", needed: "a string")),
    (#"{"text": {"a": 1}}"#, .wrongType(column: "text", found: "an object", needed: "a string")),
    (#"{"prompt": "p", "completion": ""}"#, .empty("completion")),
    (#"{"text": ""}"#, .empty("text")),
    (#"{"prompt": "p", "completion": "c", "choices": ["c", ""]}"#, .empty("choice")),
    (#"{"prompt": "p", "completion": "c", "choices": []}"#, .completionNotAmongChoices("c")),
    (#"{"prompt": "p", "completion": "c", "choices": [" c"]}"#, .completionNotAmongChoices("c")),
    (
      #"{"prompt": "p", "completion": "c", "choices": "c"}"#,
      .wrongType(column: "choices", found: "a string", needed: "an array of strings")
    ),
    (
      #"{"prompt": "p", "completion": "c", "choices": ["c", 1]}"#,
      .wrongType(
        column: "choices", found: "an array of other things than strings",
        needed: "an array of strings")
    ),
    (#"{"text": "t", "choices": ["t"]}"#, .choicesWithoutPrompt),
    (#"["text"]"#, .notAnObject("another type of value")),
    (#""text""#, .notAnObject("another type of value")),
    (#"{"text": "t""#, .notAnObject("invalid JSON")),
    (#"{"text": "t"} {"text": "t"}"#, .notAnObject("invalid JSON")),
    (#"{"text": "\ud800"}"#, .notAnObject("invalid JSON")),
    (#"{"text": "t", "choices": ["\ud800"]}"#, .notAnObject("invalid JSON")),
    (#"text"#, .notAnObject("invalid JSON")),
  ])
  func aBadRowIsRefusedWithItsLine(_ row: String, _ expected: RowProblem) throws {
    #expect(problem(row) == expected)
  }

  @Test func anUnknownColumnOfATemplateIsNamed() throws {
    let template = try DataTemplate(prompt: "{text}", completion: "{Label}")
    let expected = RowProblem.missingColumn("Label", present: ["label", "text"])
    #expect(problem(#"{"text": "a", "label": "b"}"#, template: template) == expected)
    #expect("\(expected)".contains(#"no column "Label" among "label", "text""#))
  }

  @Test func bytesThatAreNotUTF8AreRefused() {
    for bytes: [UInt8] in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80]] {
      let row = Array(#"{"text": ""#.utf8) + bytes + Array(#""}"#.utf8)
      #expect(throws: TrainingError.badRow(file: "rows", line: 1, .invalidUTF8)) {
        try DataFile(bytes: row, name: "rows")
      }
    }
  }

  @Test func twoSpellingsOfACharacterAreTwoTexts() {
    let row = "{\"prompt\": \"p\", \"completion\": \"\u{E9}\", \"choices\": [\"e\u{301}\"]}"
    #expect(problem(row) == .completionNotAmongChoices("\u{E9}"))
  }

  @Test(arguments: ["", "\n", " \r\n\t\n"])
  func aFileWithoutRowsIsRefused(_ text: String) {
    #expect(throws: TrainingError.noRows(file: "rows")) { try read(text) }
  }

  @Test func aFileThatCannotBeReadIsNamed() {
    #expect(
      throws: TrainingError.unusableFile(
        path: "/nowhere/rows.jsonl", reason: "cannot be read: No such file or directory")
    ) { try DataFile(path: "/nowhere/rows.jsonl") }
    #expect(
      throws: TrainingError.unusableFile(path: "/", reason: "cannot be read: Is a directory")
    ) { try DataFile(path: "/") }
  }

  @Test func aFileIsReadFromItsPath() throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).jsonl"
    try Data(#"{"text": "x"}"#.utf8).write(to: URL(filePath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let file = try DataFile(path: path)
    #expect(file.name == path)
    #expect(file.rows.count == 1)
  }

  @Test func everyTruncationIsReadOrRefused() throws {
    let whole = Array(
      "{\"text\": \"ab\\u00e9\"}\n{\"prompt\": \"é\", \"completion\": \"x\", \"choices\": [\"x\"]}"
        .utf8)
    var accepted: [Int] = []
    for count in 0..<whole.count {
      if (try? DataFile(bytes: Array(whole[..<count]), name: "rows")) != nil {
        accepted.append(count)
      }
    }
    let firstLine = 20
    #expect(whole[firstLine] == 0x0A)
    #expect(accepted == [firstLine, firstLine + 1])
  }

  @Test func randomBytesNeverCrash() {
    var stream = RandomStream(Seed(7))
    let alphabet = Array(#"{}[]":,\u0 textpromcl1e9.-"#.utf8) + [0x0A, 0xFF, 0xC3, 0x00]
    for _ in 0..<2000 {
      let bytes = (0..<stream.integer(below: 60)).map { _ in
        alphabet[stream.integer(below: alphabet.count)]
      }
      do {
        #expect(try DataFile(bytes: bytes, name: "rows").rows.count > 0)
      } catch {
        #expect(!error.description.contains("\n"))
      }
    }
  }

  private func read(_ text: String, template: DataTemplate? = nil) throws(TrainingError) -> DataFile
  {
    try DataFile(bytes: Array(text.utf8), name: "rows", template: template)
  }

  /// The problem with `row`, which comes third in its file.
  private func problem(_ row: String, template: DataTemplate? = nil) -> RowProblem? {
    let good = template.map { template in
      "{" + template.columns.map { "\"\($0)\": \"v\"" }.joined(separator: ", ") + "}"
    }
    do {
      _ = try read((good ?? #"{"text": "t"}"#) + "\n\n" + row, template: template)
      return nil
    } catch TrainingError.badRow("rows", 3, let problem) {
      return problem
    } catch {
      Issue.record("\(error)")
      return nil
    }
  }
}
