// SPDX-License-Identifier: Apache-2.0

/// A token that is found in the text itself, before anything else is done to it.
struct AddedToken: Equatable, Sendable {
  let id: Int32
  /// What the text must say, normalized if the token is to be found in normalized text.
  let content: String
  /// Whether it counts only where no letter, digit or "_" stands beside it.
  let isSingleWord: Bool
  /// Whether white space before it is part of it.
  let stripsLeft: Bool
  /// Whether white space after it is part of it.
  let stripsRight: Bool
}

/// Finds added tokens in text: the leftmost first, of those that begin together the longest.
struct AddedTokens: Sendable {
  /// A stretch of the text.
  enum Segment: Equatable, Sendable {
    case text(Range<Int>)
    case token(Int32)
  }

  /// A node of the tree of all contents.
  private struct Node: Sendable {
    var children: [UInt8: Int] = [:]
    /// The token whose content ends here, as an index.
    var token: Int?
  }

  private let tokens: [AddedToken]
  private var nodes = [Node()]
  /// For each byte, whether a content begins with it.
  private var begins = [Bool](repeating: false, count: 256)

  /// A finder of `tokens`; of several with the same content, the first counts.
  init(_ tokens: [AddedToken]) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() where !token.content.isEmpty {
      var node = 0
      for byte in token.content.utf8 {
        if let child = nodes[node].children[byte] {
          node = child
        } else {
          nodes.append(Node())
          nodes[node].children[byte] = nodes.count - 1
          node = nodes.count - 1
        }
      }
      if nodes[node].token == nil { nodes[node].token = index }
      if let first = token.content.utf8.first { begins[Int(first)] = true }
    }
  }

  /// The segments of `text`, in order, none empty.
  func segments(of text: UnsafeBufferPointer<UInt8>) -> [Segment] {
    var segments: [Segment] = []
    var end = 0
    var place = 0
    while let match = firstMatch(in: text, from: place) {
      place = match.range.upperBound
      let token = tokens[match.token]
      if token.isSingleWord, text.touchesWord(match.range) { continue }
      var range = match.range
      if token.stripsLeft {
        // The token before may have taken in this one's space, or all of this one.
        let start = max(text.startOfSpace(before: range.lowerBound), end)
        range = min(start, range.upperBound)..<range.upperBound
      }
      if token.stripsRight { range = range.lowerBound..<text.endOfSpace(after: range.upperBound) }
      if end < range.lowerBound { segments.append(.text(end..<range.lowerBound)) }
      segments.append(.token(token.id))
      end = range.upperBound
    }
    if end < text.count { segments.append(.text(end..<text.count)) }
    return segments
  }

  private func firstMatch(
    in text: UnsafeBufferPointer<UInt8>, from start: Int
  ) -> (range: Range<Int>, token: Int)? {
    guard nodes.count > 1 else { return nil }
    return begins.withUnsafeBufferPointer { begins in
      var place = start
      while place < text.count {
        if begins[Int(text[place])], let match = longestMatch(in: text, at: place) { return match }
        place += 1
      }
      return nil
    }
  }

  private func longestMatch(
    in text: UnsafeBufferPointer<UInt8>, at start: Int
  ) -> (range: Range<Int>, token: Int)? {
    var longest: (range: Range<Int>, token: Int)?
    var node = 0
    var place = start
    while place < text.count, let child = nodes[node].children[text[place]] {
      node = child
      place += 1
      if let token = nodes[node].token { longest = (start..<place, token) }
    }
    return longest
  }
}
