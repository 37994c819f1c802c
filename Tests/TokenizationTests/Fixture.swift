// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Tokenization

/// The files under `Tests/Fixtures/tokenizers`, whose script says how they were made.
enum Fixture {
  /// A text, and what transformers makes of it.
  struct Case: Decodable {
    let text: String
    /// How often the text is repeated; absent for once.
    let count: Int?
    let ids: [Int32]?
    /// The ids as pairs of an id and how often it stands there.
    let runs: [[Int32]]?
    /// The ids without special tokens added, where they differ.
    let plain: [Int32]?
    let decoded: String?
    let skipped: String?
    /// The ids by `tokenizer.json` alone, where they differ from AutoTokenizer's.
    let file: [Int32]?

    /// The whole text.
    var wholeText: String { String(repeating: text, count: count ?? 1) }

    /// The ids in full.
    var wholeIDs: [Int32] {
      ids ?? (runs ?? []).flatMap { Array(repeating: $0[0], count: Int($0[1])) }
    }
  }

  /// Random ids, and the text that transformers makes of them.
  struct Decoded: Decodable {
    let tokenizer: String
    let ids: [[Int32]]
    let texts: [String]
  }

  /// What one split makes of each text.
  struct Split: Decodable {
    let pattern: String
    let kind: String
    let behavior: String
    let invert: Bool
    let pieces: [[String]]
  }

  /// Texts, and what splits make of them.
  struct Splits: Decodable {
    let texts: [String]
    let splits: [Split]
  }

  /// The trained tokenizers.
  static let names = ["smollm", "gpt2", "llama3", "qwen2", "added"]

  /// The bytes of a file.
  static func bytes(_ name: String) throws -> [UInt8] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Fixtures/tokenizers")
    return [UInt8](try Data(contentsOf: folder.appending(path: name)))
  }

  /// A file's values.
  static func values<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(try bytes(name)))
  }

  /// A file as text, for tests that change it.
  static func text(_ name: String) throws -> String {
    String(decoding: try bytes(name), as: UTF8.self)
  }

  /// A tokenizer.
  static func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(json: try bytes("\(name).tokenizer.json"))
  }
}

/// Whether two strings are the same bytes: `==` holds canonically equivalent ones for equal.
func isIdentical(_ left: String, _ right: String) -> Bool {
  left.utf8.elementsEqual(right.utf8)
}
