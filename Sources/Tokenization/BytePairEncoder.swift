// SPDX-License-Identifier: Apache-2.0

/// Byte-pair encoding of one piece of text (Sennrich, Haddow, Birch 2016, "Neural Machine
/// Translation of Rare Words with Subword Units", algorithm 1), over bytes as in GPT-2.
///
/// Starting from one token a byte, the pair of neighbours with the lowest rank, the leftmost of
/// several, is merged until no pair merges.
struct BytePairEncoder: Sendable {
  /// Pieces of more tokens than this are merged over a heap, others by scanning: O(n log n) against
  /// O(n^2) with a far smaller constant.
  static let scanLimit = 48

  /// The model's own tokens.
  let vocabulary: Vocabulary
  /// The token of each single byte; -1 for a byte without one.
  let byteTokens: [Int32]
  /// The pairs that merge.
  let merges: MergeTable
  /// Whether a piece that is a token as it stands is taken whole, whatever the merges say.
  private(set) var prefersWholePieces: Bool
  /// What stands for a byte without a token; nil leaves such bytes out.
  private(set) var unknown: Unknown?

  /// How bytes without a token are spelt.
  struct Unknown: Sendable {
    let token: Int32
    /// Whether neighbouring unknown bytes share one token.
    let isFused: Bool
  }

  /// Memory reused from piece to piece.
  struct Workspace {
    var tokens: [Int32] = []
    var ranks: [Int32] = []
    var spelling: [UInt8] = []
  }

  /// The same tokens and merges, without whole pieces and unknown tokens.
  func withoutExceptions() -> BytePairEncoder {
    var encoder = self
    encoder.prefersWholePieces = false
    encoder.unknown = nil
    return encoder
  }

  /// Appends the tokens of `piece` to `ids`.
  func encode(
    _ piece: UnsafeBufferPointer<UInt8>, in workspace: inout Workspace, to ids: inout [Int32]
  ) {
    if prefersWholePieces {
      ByteAlphabet.spell(piece, into: &workspace.spelling)
      let whole = workspace.spelling.withUnsafeBufferPointer { vocabulary.id(of: $0) }
      if let whole {
        ids.append(whole)
        return
      }
    }
    spellOut(piece, into: &workspace.tokens)
    if workspace.tokens.count <= Self.scanLimit {
      mergeByScanning(&workspace.tokens, ranks: &workspace.ranks)
    } else {
      mergeOverHeap(&workspace.tokens)
    }
    ids.append(contentsOf: workspace.tokens)
  }

  private func spellOut(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout [Int32]) {
    tokens.removeAll(keepingCapacity: true)
    var afterUnknown = false
    for byte in piece {
      let token = byteTokens[Int(byte)]
      if token >= 0 {
        tokens.append(token)
      } else if let unknown, !(unknown.isFused && afterUnknown) {
        tokens.append(unknown.token)
      }
      afterUnknown = token < 0
    }
  }

  /// Merges in place; `ranks` holds the rank of each token with its right neighbour.
  func mergeByScanning(_ tokens: inout [Int32], ranks: inout [Int32]) {
    guard tokens.count > 1 else { return }
    ranks.removeAll(keepingCapacity: true)
    for index in 1..<tokens.count { ranks.append(rank(tokens[index - 1], tokens[index])) }
    while let place = lowest(ranks),
      let merge = merges.merge(tokens[place], tokens[place + 1])
    {
      tokens[place] = merge.result
      tokens.remove(at: place + 1)
      ranks.remove(at: place)
      if place > 0 { ranks[place - 1] = rank(tokens[place - 1], tokens[place]) }
      if place < ranks.count { ranks[place] = rank(tokens[place], tokens[place + 1]) }
    }
  }

  /// The leftmost place with the lowest rank; nil if no pair merges.
  private func lowest(_ ranks: [Int32]) -> Int? {
    var best = Int32.max
    var place: Int?
    for (index, rank) in ranks.enumerated() where rank < best {
      best = rank
      place = index
    }
    return place
  }

  private func rank(_ left: Int32, _ right: Int32) -> Int32 {
    merges.merge(left, right)?.rank ?? .max
  }

  /// The same as `mergeByScanning`, in O(n log n): tokens are a linked list, and candidates wait
  /// in a heap, where those that a merge has overtaken are passed over.
  func mergeOverHeap(_ tokens: inout [Int32]) {
    var chain = TokenChain(tokens)
    var candidates = MinimumHeap()
    for left in tokens.indices.dropLast() { push(left, of: chain, on: &candidates) }
    while let candidate = candidates.popMinimum() {
      let left = Int(candidate & 0xFFFF_FFFF)
      guard let pair = chain.pair(at: left), let merge = merges.merge(pair.left, pair.right),
        Int(merge.rank) == Int(candidate >> 32)
      else { continue }
      let previous = chain.merge(at: left, into: merge.result)
      if let previous { push(previous, of: chain, on: &candidates) }
      push(left, of: chain, on: &candidates)
    }
    tokens = chain.tokens()
  }

  private func push(_ left: Int, of chain: TokenChain, on candidates: inout MinimumHeap) {
    guard let pair = chain.pair(at: left), let merge = merges.merge(pair.left, pair.right)
    else { return }
    candidates.push(UInt64(merge.rank) << 32 | UInt64(left))
  }
}
