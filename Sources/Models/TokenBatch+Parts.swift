// SPDX-License-Identifier: Apache-2.0

extension TokenBatch {
  /// The batch in parts of whole sequences, of about equally many tokens: what can be computed side
  /// by side, or one after the other in less memory.
  ///
  /// They depend on the lengths alone. A part without targets is left out.
  public var parts: [TokenBatch] {
    let count = BatchExtent.partCount(tokenCount: tokens.count)
    guard count > 1 else { return [self] }
    var parts: [TokenBatch] = []
    var (first, firstToken, end) = (0, 0, 0)
    for (index, length) in sequenceLengths.enumerated() {
      end += length
      let isFull = end * count >= (parts.count + 1) * tokens.count
      guard isFull || index == sequenceLengths.count - 1 else { continue }
      parts.append(part(of: first...index, tokens: firstToken..<end))
      (first, firstToken) = (index + 1, end)
    }
    return parts.filter { !$0.targets.isEmpty }
  }

  private func part(of sequences: ClosedRange<Int>, tokens range: Range<Int>) -> TokenBatch {
    let targets = targets.lazy.filter { range.contains($0.position) }
    return TokenBatch(
      tokens: Array(tokens[range]), sequenceLengths: Array(sequenceLengths[sequences]),
      targets: targets.map { Target(position: $0.position - range.lowerBound, token: $0.token) })
  }
}

extension BatchExtent {
  /// The extent of a batch.
  public init(of batch: TokenBatch) {
    self.init(
      tokenCount: batch.tokens.count, targetRowCount: Set(batch.targets.map(\.position)).count,
      longestSequence: batch.sequenceLengths.max() ?? 0)
  }

  /// The least extent in which each of some batches fits.
  public init(ofLargest batches: [TokenBatch]) {
    let extents = batches.map(BatchExtent.init(of:))
    self.init(
      tokenCount: extents.map(\.tokenCount).max() ?? 0,
      targetRowCount: extents.map(\.targetRowCount).max() ?? 0,
      longestSequence: extents.map(\.longestSequence).max() ?? 0)
  }

  /// How large the parts of batches of this extent are, at most.
  public var ofParts: BatchExtent {
    let count = Self.partCount(tokenCount: tokenCount)
    // Just too few tokens for two parts are the most that are in one; else a part ends with the
    // sequence that fills it.
    let whole = min(tokenCount, 2 * leastPartTokenCount - 1)
    let part = count == 1 ? 0 : tokenCount / count + longestSequence
    let tokens = min(tokenCount, max(whole, part))
    return BatchExtent(
      tokenCount: tokens, targetRowCount: min(tokens, targetRowCount),
      longestSequence: longestSequence)
  }

  /// No batch has more parts.
  public static let maximumPartCount = 8

  /// In how many parts a batch is computed at most: enough for some processors, and few enough that
  /// weights are not read for a handful of rows.
  fileprivate static func partCount(tokenCount: Int) -> Int {
    min(maximumPartCount, max(1, tokenCount / leastPartTokenCount))
  }
}

/// Parts have about so many tokens at least.
private let leastPartTokenCount = 256
