// SPDX-License-Identifier: Apache-2.0

/// Cuts text into the pieces that are encoded each on its own.
///
/// The splits follow one another, each cutting the pieces of the one before without a look beyond
/// their ends. Then comes the step that the tokenizers library calls ByteLevel: a space before
/// every piece, if so asked, and a last split.
struct PreTokenizer: Sendable {
  /// The splits before ByteLevel.
  let splits: [PieceSplit]
  /// Whether a piece that does not begin with a space is given one.
  let addsPrefixSpace: Bool
  /// The split of ByteLevel itself, nil for none.
  let wordSplit: PieceSplit?

  /// Calls `body` with the bytes of each piece of `text`, in order, none empty.
  ///
  /// - Precondition: `text` is valid UTF-8.
  func forEachPiece(
    of text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    guard !text.isEmpty else { return }
    var pieces = [0..<text.count]
    for split in splits { pieces = split.applied(to: pieces, of: text) }
    if addsPrefixSpace {
      for piece in pieces { forEachWord(ofPrefixed: text[piece], body) }
    } else {
      forEachWord(of: pieces, in: text, body)
    }
  }

  private func forEachWord(
    ofPrefixed piece: Slice<UnsafeBufferPointer<UInt8>>,
    _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    let space = UInt8(ascii: " ")
    let prefixed = piece.first == space ? Array(piece) : [space] + piece
    prefixed.withUnsafeBufferPointer { forEachWord(of: [0..<prefixed.count], in: $0, body) }
  }

  private func forEachWord(
    of pieces: [Range<Int>], in text: UnsafeBufferPointer<UInt8>,
    _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    for word in wordSplit?.applied(to: pieces, of: text) ?? pieces {
      body(UnsafeBufferPointer(rebasing: text[word]))
    }
  }
}

/// Cuts pieces of text at what matches, or at what does not.
struct PieceSplit: Sendable {
  /// What to look for.
  enum Delimiter: Sendable {
    case pattern(Pattern)
    case literal([UInt8])
  }

  /// What becomes of the matches.
  enum Behavior: String, CaseIterable, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  let delimiter: Delimiter
  let behavior: Behavior
  /// Whether what lies between the matches counts as the matches.
  let isInverted: Bool

  /// A stretch of a piece, a match or not.
  private typealias Stretch = (range: Range<Int>, isMatch: Bool)

  /// Each of `pieces`, which are ranges of `text`, cut up.
  func applied(
    to pieces: [Range<Int>], of text: UnsafeBufferPointer<UInt8>
  ) -> [Range<Int>] {
    var result: [Range<Int>] = []
    result.reserveCapacity(pieces.count + text.count / 4)
    switch delimiter {
    case .pattern(let pattern):
      let matcher = pattern.makeMatcher()
      for piece in pieces where !piece.isEmpty {
        let subject = UnsafeBufferPointer(rebasing: text[piece])
        cut(piece, into: &result) { pattern.forEachMatch(in: subject, with: matcher, $0) }
      }
    case .literal(let literal):
      for piece in pieces where !piece.isEmpty {
        let subject = UnsafeBufferPointer(rebasing: text[piece])
        cut(piece, into: &result) { Self.forEachOccurrence(of: literal, in: subject, $0) }
      }
    }
    return result
  }

  private func cut(
    _ piece: Range<Int>, into result: inout [Range<Int>],
    at forEachMatch: ((Range<Int>) -> Void) -> Void
  ) {
    if behavior == .isolated || behavior == .removed {
      cutApart(piece, into: &result, at: forEachMatch)
    } else {
      result.append(contentsOf: merged(stretches(of: piece, at: forEachMatch)))
    }
  }

  /// The two behaviours that look at no neighbour, without a list in between.
  private func cutApart(
    _ piece: Range<Int>, into result: inout [Range<Int>],
    at forEachMatch: ((Range<Int>) -> Void) -> Void
  ) {
    let keepsMatches = behavior == .isolated || isInverted
    let keepsRest = behavior == .isolated || !isInverted
    var end = piece.lowerBound
    forEachMatch { match in
      let start = piece.lowerBound + match.lowerBound
      if keepsRest, end < start { result.append(end..<start) }
      end = piece.lowerBound + match.upperBound
      if keepsMatches, start < end { result.append(start..<end) }
    }
    if keepsRest, end < piece.upperBound { result.append(end..<piece.upperBound) }
  }

  private func stretches(
    of piece: Range<Int>, at forEachMatch: ((Range<Int>) -> Void) -> Void
  ) -> [Stretch] {
    var stretches: [Stretch] = []
    var end = piece.lowerBound
    forEachMatch { match in
      let start = piece.lowerBound + match.lowerBound
      if end < start { stretches.append((end..<start, isInverted)) }
      end = piece.lowerBound + match.upperBound
      stretches.append((start..<end, !isInverted))
    }
    if end < piece.upperBound { stretches.append((end..<piece.upperBound, isInverted)) }
    return stretches
  }

  /// The stretches joined as the behaviour says; of several matches in a row, only the one beside
  /// the text joins it.
  private func merged(_ stretches: [Stretch]) -> [Range<Int>] {
    let backward = behavior == .mergedWithNext
    var merged: [Range<Int>] = []
    var wasMatch: Bool?
    for stretch in backward ? stretches.reversed() : stretches {
      let joins =
        behavior == .contiguous
        ? stretch.isMatch == wasMatch ?? false
        : stretch.isMatch && !(wasMatch ?? false)
      if joins, let neighbour = merged.popLast() {
        merged.append(
          min(
            neighbour.lowerBound, stretch.range.lowerBound)..<max(
              neighbour.upperBound, stretch.range.upperBound))
      } else {
        merged.append(stretch.range)
      }
      wasMatch = stretch.isMatch
    }
    if backward { merged.reverse() }
    return merged.filter { !$0.isEmpty }
  }

  private static func forEachOccurrence(
    of literal: [UInt8], in subject: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void
  ) {
    guard let first = literal.first else { return }
    var start = 0
    while start + literal.count <= subject.count {
      if subject[start] == first, subject[start...].starts(with: literal) {
        body(start..<(start + literal.count))
        start += literal.count
      } else {
        start += 1
      }
    }
  }
}
