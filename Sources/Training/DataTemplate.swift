// SPDX-License-Identifier: Apache-2.0

/// How the columns of a row become a prompt and its completion.
///
/// `{name}` stands for the column `name`; `{{` and `}}` are braces.
public struct DataTemplate: Hashable, Sendable {
  /// The prompt as it was written, as `"Definition: {text}\nCategory:"`.
  public let prompt: String
  /// The completion as it was written, as `" {label}"`.
  public let completion: String

  let promptPieces: [Piece]
  let completionPieces: [Piece]

  enum Piece: Hashable, Sendable {
    case literal(String)
    case column(String)
  }

  /// A template from its two halves.
  ///
  /// - Throws: `badTemplate` for braces that do not match or name nothing.
  public init(prompt: String, completion: String) throws(TrainingError) {
    self.prompt = prompt
    self.completion = completion
    promptPieces = try Self.pieces(of: prompt)
    completionPieces = try Self.pieces(of: completion)
  }

  /// The columns that a row must have, each once, in order of use.
  public var columns: [String] {
    var seen: [String] = []
    for case .column(let name) in promptPieces + completionPieces where !seen.contains(name) {
      seen.append(name)
    }
    return seen
  }

  private static func pieces(of template: String) throws(TrainingError) -> [Piece] {
    var pieces: [Piece] = []
    var literal = ""
    var rest = Substring(template)
    while let character = rest.popFirst() {
      switch character {
      case "{" where rest.first == "{", "}" where rest.first == "}":
        literal.append(character)
        rest.removeFirst()
      case "{":
        guard let end = rest.firstIndex(where: { $0 == "}" || $0 == "{" }), rest[end] == "}" else {
          throw .badTemplate(template, problem: "a { is not closed; write {{ for a brace")
        }
        guard end > rest.startIndex else {
          throw .badTemplate(template, problem: "{} names no column")
        }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        literal = ""
        pieces.append(.column(String(rest[..<end])))
        rest = rest[rest.index(after: end)...]
      case "}":
        throw .badTemplate(template, problem: "a } was not opened; write }} for a brace")
      default:
        literal.append(character)
      }
    }
    if !literal.isEmpty { pieces.append(.literal(literal)) }
    return pieces
  }
}
