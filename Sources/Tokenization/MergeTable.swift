// SPDX-License-Identifier: Apache-2.0

/// Which pairs of tokens merge, in which order of preference, and into what.
struct MergeTable: Sendable {
  /// What becomes of a pair.
  struct Merge: Equatable, Sendable {
    /// The place in the list of merges: the lowest goes first.
    let rank: Int32
    /// The token that the pair becomes.
    let result: Int32
  }

  /// Left id in the high half, right id in the low; all ones where free.
  ///
  /// Open addressing, at most half full, so that a miss (the common case) is one cache line.
  private var keys: [UInt64]
  private var merges: [Merge]

  /// A table with room for `capacity` merges.
  init(capacity: Int) {
    var size = 64
    while size < 2 * capacity { size *= 2 }
    keys = Array(repeating: .max, count: size)
    merges = Array(repeating: Merge(rank: -1, result: -1), count: size)
  }

  /// Says what becomes of a pair; of several words on it, the last counts.
  ///
  /// No more pairs than `capacity`.
  mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
    let key = Self.key(left, right)
    let slot = slot(of: key)
    keys[slot] = key
    merges[slot] = merge
  }

  /// What becomes of a pair; nil if it stays one.
  func merge(_ left: Int32, _ right: Int32) -> Merge? {
    let key = Self.key(left, right)
    let slot = slot(of: key)
    return keys[slot] == key ? merges[slot] : nil
  }

  private func slot(of key: UInt64) -> Int {
    let mask = keys.count - 1
    var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
    while keys[slot] != key, keys[slot] != .max { slot = (slot + 1) & mask }
    return slot
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }
}
