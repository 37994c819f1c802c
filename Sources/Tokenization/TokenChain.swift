// SPDX-License-Identifier: Apache-2.0

/// Tokens in a doubly linked list over their first places, in which neighbours merge in O(1).
struct TokenChain {
  /// The token that begins at each place; -1 where none begins any more.
  private var values: [Int32]
  private var next: [Int]
  private var previous: [Int]

  /// A chain of fewer than 2^32 tokens, each at its own place.
  init(_ tokens: [Int32]) {
    values = tokens
    next = tokens.indices.map { $0 + 1 }
    previous = tokens.indices.map { $0 - 1 }
  }

  /// The token at `place` and its right neighbour; nil if either is missing.
  func pair(at place: Int) -> (left: Int32, right: Int32)? {
    guard values[place] >= 0, next[place] < values.count else { return nil }
    return (values[place], values[next[place]])
  }

  /// Puts `result` in the place of the pair that begins at `place`; gives its left neighbour's.
  mutating func merge(at place: Int, into result: Int32) -> Int? {
    let gone = next[place]
    values[place] = result
    values[gone] = -1
    next[place] = next[gone]
    if next[place] < values.count { previous[next[place]] = place }
    return previous[place] >= 0 ? previous[place] : nil
  }

  /// What is left, in order.
  func tokens() -> [Int32] {
    values.filter { $0 >= 0 }
  }
}

/// A binary heap that gives its smallest number first.
struct MinimumHeap {
  private var items: [UInt64] = []

  /// Adds a number, in O(log n).
  mutating func push(_ item: UInt64) {
    items.append(item)
    var child = items.count - 1
    while child > 0, items[(child - 1) / 2] > items[child] {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// Takes the smallest number out, in O(log n); nil when there is none.
  mutating func popMinimum() -> UInt64? {
    guard let minimum = items.first, let last = items.popLast() else { return nil }
    if items.isEmpty { return minimum }
    items[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < items.count else { return minimum }
      if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
      guard items[child] < items[parent] else { return minimum }
      items.swapAt(child, parent)
      parent = child
    }
  }
}
