// SPDX-License-Identifier: Apache-2.0
public import Randomness

/// How long to wait before the next try to connect: longer each time, never the same for all.
///
/// The n-th delay is drawn from the upper half of `first` times 2^n, at most `longest`, so that
/// the workers of a coordinator that comes back do not all arrive at once.
public struct Backoff: Hashable, Codable, Sendable {
  /// What the first delay is at most.
  public let first: Duration
  /// What every delay is at most.
  public let longest: Duration
  private var ceiling: Duration
  private var stream: RandomStream

  /// A backoff at its first delay; `seed` is the worker's own.
  ///
  /// - Precondition: 0 < `first` <= `longest`.
  public init(
    first: Duration = .milliseconds(200), longest: Duration = .seconds(15), seed: Seed
  ) {
    precondition(first > .zero && first <= longest, "delays from \(first) to \(longest)")
    self.first = first
    self.longest = longest
    self.ceiling = first
    self.stream = RandomStream(seed)
  }

  /// The delay before the next try.
  public mutating func next() -> Duration {
    let delay = ceiling * (0.5 + stream.unit() / 2)
    ceiling = ceiling > longest / 2 ? longest : ceiling * 2
    return delay
  }

  /// Begins anew, after a success.
  public mutating func reset() { ceiling = first }
}
