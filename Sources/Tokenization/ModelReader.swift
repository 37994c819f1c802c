// SPDX-License-Identifier: Apache-2.0

/// Builds a model's encoder out of its tokens and merges, wherever they came from.
struct ModelReader {
  private(set) var vocabulary = Vocabulary()
  private var merges = MergeTable(capacity: 0)
  private var mergeCount: Int32 = 0
  private var joined: [UInt8] = []

  /// Adds a token of the model; `path` names the place of the list of all.
  mutating func addToken(
    _ token: String, id: Int, path: @autoclosure () -> String
  ) throws(TokenizationError) {
    do throws(Vocabulary.Refusal) {
      try vocabulary.insert(token, id: id)
    } catch {
      throw .invalid(path: path(), problem: Self.problem(error, token: token, id: id))
    }
  }

  /// What is wrong with a token, in words.
  static func problem(_ refusal: Vocabulary.Refusal, token: String, id: Int) -> String {
    switch refusal {
    case .idOutOfRange:
      "gives '\(token)' the id \(id), which is not in 0..<\(Vocabulary.maximumSize)"
    case .idTaken(let other): "gives the id \(id) to both '\(other)' and '\(token)'"
    case .contentTaken(let other): "gives both the id \(other) and \(id) to '\(token)'"
    }
  }

  /// Makes room for `count` merges, the lowest in rank first.
  mutating func beginMerges(count: Int) {
    merges = MergeTable(capacity: count)
    mergeCount = 0
  }

  /// Adds the next merge, written "left right".
  mutating func addMerge(
    _ text: String, path: @autoclosure () -> String
  ) throws(TokenizationError) {
    let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw .invalid(path: path(), problem: "is '\(text)' and not two tokens with a space between")
    }
    try addMerge(String(Substring(parts[0])), String(Substring(parts[1])), path: path())
  }

  /// Adds the next merge.
  mutating func addMerge(
    _ left: String, _ right: String, path: @autoclosure () -> String
  ) throws(TokenizationError) {
    joined.removeAll(keepingCapacity: true)
    joined.append(contentsOf: left.utf8)
    joined.append(contentsOf: right.utf8)
    guard let leftID = vocabulary.id(of: left) else {
      throw .invalid(path: path(), problem: "merges '\(left)', which is not in the vocabulary")
    }
    guard let rightID = vocabulary.id(of: right) else {
      throw .invalid(path: path(), problem: "merges '\(right)', which is not in the vocabulary")
    }
    guard let result = joined.withUnsafeBufferPointer({ vocabulary.id(of: $0) }) else {
      let token = String(decoding: joined, as: UTF8.self)
      throw .invalid(path: path(), problem: "merges to '\(token)', which is not in the vocabulary")
    }
    merges.insert(leftID, rightID, MergeTable.Merge(rank: mergeCount, result: result))
    mergeCount += 1
  }

  /// Whether some byte has no token of its own.
  var lacksBytes: Bool { byteTokens.contains(-1) }

  /// The encoder of what was added.
  func encoder(prefersWholePieces: Bool, unknown: BytePairEncoder.Unknown?) -> BytePairEncoder {
    BytePairEncoder(
      vocabulary: vocabulary, byteTokens: byteTokens, merges: merges,
      prefersWholePieces: prefersWholePieces, unknown: unknown)
  }

  private var byteTokens: [Int32] {
    ByteAlphabet.scalars.map { vocabulary.id(of: String($0)) ?? -1 }
  }
}
