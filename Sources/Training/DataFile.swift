// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
internal import Glibc

/// One row of a data file: what to predict, and after what.
public struct DataRow: Hashable, Sendable {
  /// The text of a row.
  public enum Text: Hashable, Sendable {
    /// Text of which everything is to be predicted.
    case whole(String)
    /// A completion that is to be predicted after a prompt.
    case completion(String, prompt: String)
  }

  /// The line in the file, from 1.
  public let line: Int
  /// What is to be predicted.
  public let text: Text
  /// The completions to choose from, one of them the row's own; nil when it asks for no choice.
  public let choices: [String]?
}

/// A file of JSON lines: one object a line, empty lines allowed.
///
/// Without a template a row has `prompt` and `completion`, or else `text`; with one it has the
/// template's columns. In both cases it may have `choices`, an array of completions.
public struct DataFile: Sendable {
  /// What errors call it: its path.
  public let name: String
  /// The rows, in the file's order; at least one.
  public let rows: [DataRow]

  /// Reads the file at `path`.
  ///
  /// - Throws: `unusableFile`, `noRows`, or `badRow` for the first row that cannot be used.
  public init(path: String, template: DataTemplate? = nil) throws(TrainingError) {
    try self.init(bytes: fileBytes(path), name: path, template: template)
  }

  /// Reads the lines of `bytes`; errors call them `name`.
  public init(
    bytes: [UInt8], name: String, template: DataTemplate? = nil
  ) throws(TrainingError) {
    self.name = name
    var rows: [DataRow] = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.allSatisfy(isBlank) {
      do {
        rows.append(try DataRow(bytes: line, line: index + 1, template: template))
      } catch {
        throw .badRow(file: name, line: index + 1, error)
      }
    }
    guard !rows.isEmpty else { throw .noRows(file: name) }
    self.rows = rows
  }
}

/// The bytes of the file at `path`.
func fileBytes(_ path: String) throws(TrainingError) -> [UInt8] {
  do {
    return [UInt8](try Data(contentsOf: URL(filePath: path)))
  } catch {
    throw .unusableFile(path: path, reason: "cannot be read: \(reason(of: error))")
  }
}

/// What the system says about a failed file operation.
func reason(of error: any Error) -> String {
  guard let system = (error as? CocoaError)?.underlying as? POSIXError else { return "\(error)" }
  return String(cString: strerror(system.code.rawValue))
}

private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

extension DataRow {
  fileprivate init(
    bytes: ArraySlice<UInt8>, line: Int, template: DataTemplate?
  ) throws(RowProblem) {
    let columns = try RowColumns(bytes)
    self.line = line
    if let template {
      text = .completion(
        try columns.render(template.completionPieces),
        prompt: try columns.render(template.promptPieces))
    } else if columns.contains("prompt") || columns.contains("completion")
      || !columns.contains("text")
    {
      text = .completion(try columns.string("completion"), prompt: try columns.string("prompt"))
    } else {
      text = .whole(try columns.string("text"))
    }
    choices = try columns.strings("choices")
    try check()
  }

  private func check() throws(RowProblem) {
    switch text {
    case .whole(let text):
      guard !text.isEmpty else { throw .empty("text") }
      guard choices == nil else { throw .choicesWithoutPrompt }
    case .completion(let completion, _):
      guard !completion.isEmpty else { throw .empty("completion") }
      guard let choices else { return }
      guard choices.allSatisfy({ !$0.isEmpty }) else { throw .empty("choice") }
      // Swift's == would let two spellings of one character pass for each other.
      guard choices.contains(where: { $0.utf8.elementsEqual(completion.utf8) }) else {
        throw .completionNotAmongChoices(completion)
      }
    }
  }
}
