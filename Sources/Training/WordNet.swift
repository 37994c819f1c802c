// SPDX-License-Identifier: Apache-2.0

/// The nouns of WordNet, as Debian's `wordnet-base` has them in `/usr/share/wordnet/data.noun`.
///
/// Format: wndb(5WN). A line has the synset's offset, the number of its lexicographer file, words
/// and pointers, and after ` | ` the gloss: a definition, then examples in quotation marks.
public struct WordNet: Sendable {
  /// Where Debian's package puts the nouns.
  public static let debianPath = "/usr/share/wordnet/data.noun"

  /// One sense of a noun.
  public struct Definition: Hashable, Sendable {
    /// The number of the lexicographer file: the sense's topic.
    public let topic: Int
    /// What the noun means, without examples.
    public let text: String
  }

  /// All definitions, in the file's order.
  public let definitions: [Definition]

  /// Reads the file at `path`.
  public init(path: String = debianPath) throws(TrainingError) {
    try self.init(bytes: fileBytes(path), name: path)
  }

  /// Reads the lines of `bytes`; errors call them `name`.
  public init(bytes: [UInt8], name: String) throws(TrainingError) {
    var definitions: [Definition] = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      // The licence at the file's head is indented by two spaces.
      guard !line.isEmpty, !line.starts(with: [0x20, 0x20]) else { continue }
      guard let topic = Self.topic(of: line), let gloss = Self.gloss(of: line) else {
        throw .badWordNet(file: name, line: index + 1, problem: "not a line of WordNet's nouns")
      }
      let text = Self.definition(in: gloss)
      if !text.isEmpty { definitions.append(Definition(topic: topic, text: text)) }
    }
    guard !definitions.isEmpty else {
      throw .badWordNet(file: name, line: lines.count, problem: "no definitions")
    }
    self.definitions = definitions
  }

  /// The two digits after the eight of the offset.
  private static func topic(of line: ArraySlice<UInt8>) -> Int? {
    let head = Array(line.prefix(12))
    guard head.count == 12, head[8] == 0x20, head[11] == 0x20 else { return nil }
    let digits = head.map { Int($0) - 0x30 }
    guard (digits[..<8] + digits[9..<11]).allSatisfy((0...9).contains) else { return nil }
    return digits[9] * 10 + digits[10]
  }

  private static func gloss(of line: ArraySlice<UInt8>) -> String? {
    guard let bar = line.firstIndex(of: UInt8(ascii: "|")) else { return nil }
    return String(validating: line[(bar + 1)...], as: UTF8.self)
  }

  /// A gloss up to its first example: a quotation mark after a semicolon.
  private static func definition(in gloss: String) -> String {
    let bytes = Array(gloss.utf8)
    var end = bytes.count
    for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: ";") {
      if bytes[(index + 1)...].first(where: { $0 != 0x20 }) == UInt8(ascii: "\"") {
        end = index
        break
      }
    }
    let trimmed = bytes[..<end].drop { $0 == 0x20 }
    let last = trimmed.lastIndex { $0 != 0x20 && $0 != UInt8(ascii: ";") }
    return String(decoding: trimmed[..<((last ?? trimmed.startIndex - 1) + 1)], as: UTF8.self)
  }
}
