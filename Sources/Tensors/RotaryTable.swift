// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Cosines and sines of a rotary position embedding, one row a position, one column a frequency.
///
/// J. Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021. Angles are
/// products of single precision, as in transformers, whose values a trained model expects.
public struct RotaryTable: Sendable {
  /// Radians per position, one for each pair of elements of a head; none where nothing is turned.
  public let frequencies: [Float]
  /// The number of positions computed so far.
  public private(set) var positionCount = 0

  private(set) var cosines: [Float] = []
  private(set) var sines: [Float] = []

  /// A table of no positions.
  public init(frequencies: [Float]) { self.frequencies = frequencies }

  /// Computes what is missing for positions below `count`.
  public mutating func extend(to count: Int) {
    for position in positionCount..<max(positionCount, count) {
      for frequency in frequencies {
        let angle = Double(Float(position) * frequency)
        cosines.append(Float(cos(angle)))
        sines.append(Float(sin(angle)))
      }
    }
    positionCount = max(positionCount, count)
  }
}
