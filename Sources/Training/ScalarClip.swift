// SPDX-License-Identifier: Apache-2.0

/// Shortens scalars that are much larger than those before them.
///
/// The limit is 1.3 times the 95th percentile of the sizes of the last 50 scalars, as they were after
/// clipping, and there is none before 20: a pure function of what was committed.
public struct ScalarClip: Hashable, Codable, Sendable {
  private var recent: [Double] = []

  /// A clip that has seen nothing.
  public init() {}

  /// The largest size that a scalar may have now; nil for any.
  public var limit: Double? {
    guard recent.count >= leastCount else { return nil }
    // The nearest rank: the least of them that 95 % do not exceed.
    let rank = (95 * recent.count + 99) / 100
    return factor * recent.sorted()[rank - 1]
  }

  /// Shortens the scalars of a step that exceed the limit, all by the one that holds before the step,
  /// and remembers them.
  ///
  /// - Returns: how many were shortened.
  public mutating func clip(_ scalars: inout [ProjectedGradient]) -> Int {
    var clippedCount = 0
    if let limit {
      for index in scalars.indices where abs(scalars[index].value) > limit {
        scalars[index].value = scalars[index].value < 0 ? -limit : limit
        clippedCount += 1
      }
    }
    recent += scalars.map { abs($0.value) }
    recent.removeFirst(max(0, recent.count - windowLength))
    return clippedCount
  }
}

private let windowLength = 50
private let leastCount = 20
private let factor = 1.3
