// SPDX-License-Identifier: Apache-2.0

/// One stream of a seed, read from its beginning.
///
/// Uniform draws use exact arithmetic only, so that they are the same bits everywhere.
public struct RandomStream: RandomNumberGenerator, Codable, Hashable, Sendable {
  private let seed: Seed
  private var position: UInt64

  /// The stream of `seed`, from its first word.
  public init(_ seed: Seed) {
    self.seed = seed
    self.position = 0
  }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    let words = Philox(key: seed.value).block(position >> 1)
    let half = Int(position & 1) * 2
    position += 1
    return UInt64(words[half + 1]) << 32 | UInt64(words[half])
  }

  /// A uniform integer below `bound`, without bias.
  ///
  /// - Precondition: `bound` is positive.
  public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0, "integer(below: \(bound))")
    let bound = UInt64(bound)
    // D. Lemire, "Fast Random Integer Generation in an Interval", 2019.
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return Int(product.high)
  }

  /// A uniform double in [0, 1): a multiple of 2^-53.
  public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A uniform float in [-`bound`, `bound`).
  public mutating func uniform(bound: Float) -> Float {
    let unit = Float(next() >> 40) * 0x1p-24
    return (2 * unit - 1) * bound
  }

  /// Puts `elements` into a uniformly random order (Fisher-Yates).
  public mutating func shuffle<Element>(_ elements: inout [Element]) {
    guard elements.count > 1 else { return }
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, integer(below: last + 1))
    }
  }
}
