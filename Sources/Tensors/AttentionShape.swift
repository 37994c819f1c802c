// SPDX-License-Identifier: Apache-2.0

/// How queries, keys and values lie in a row, and what a query sees.
///
/// A row is all query heads, then all key heads, then all value heads. Every key-value head serves
/// `headCount / keyValueHeadCount` query heads that lie side by side.
public struct AttentionShape: Hashable, Sendable {
  /// The number of query heads.
  public let headCount: Int
  /// The number of key heads, and of value heads.
  public let keyValueHeadCount: Int
  /// The width of every head.
  public let headWidth: Int
  /// How many tokens a query sees, its own included; nil for all that came before.
  public let window: Int?

  /// What a product of query and key is multiplied with.
  public let scoreScale: Float

  /// A shape.
  ///
  /// Scores are products of query and key, divided by the root of the heads' width if they are
  /// scaled by it, and by `divisor`.
  ///
  /// - Precondition: counts are positive, as is the divisor, and key-value heads divide the heads.
  public init(
    headCount: Int, keyValueHeadCount: Int, headWidth: Int, window: Int?,
    scalesByWidth: Bool = true, divisor: Int = 1
  ) {
    precondition(
      keyValueHeadCount > 0 && headWidth > 0 && headCount > 0
        && headCount.isMultiple(of: keyValueHeadCount) && (window ?? 1) > 0
        && divisor > 0,
      "\(headCount) heads over \(keyValueHeadCount), width \(headWidth), window \(window ?? 0)")
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headWidth = headWidth
    self.window = window
    scoreScale = (scalesByWidth ? 1 / Float(headWidth).squareRoot() : 1) / Float(divisor)
  }

  /// The number of query heads that share a key-value head.
  public var groupSize: Int { headCount / keyValueHeadCount }
  /// The width of all query heads: the width of the attention's output.
  public var queryWidth: Int { headCount * headWidth }
  /// The width of all key heads.
  public var keyWidth: Int { keyValueHeadCount * headWidth }
  /// The width of a row.
  public var rowWidth: Int { queryWidth + 2 * keyWidth }

  /// How many queries are computed at once: enough rows for a good matrix product, and no more
  /// scores than stay in the cache for a sequence of some hundred tokens.
  var blockLength: Int { max(1, min(64, 192 / groupSize)) }
}

/// The softmax's largest score and reciprocal sum for each token and head, [T, H]: what the
/// backward pass needs to compute attention weights again, bit by bit.
public struct AttentionStatistics: Sendable {
  var maxima: [Float] = []
  var reciprocals: [Float] = []

  /// No statistics yet, and memory for `count` of them.
  public init(reserving count: Int = 0) {
    maxima.reserveCapacity(count)
    reciprocals.reserveCapacity(count)
  }

  mutating func resize(count: Int) {
    Kernels.grow(&maxima, to: count)
    Kernels.grow(&reciprocals, to: count)
  }
}
