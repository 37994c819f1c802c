// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Glibc

extension ModelConfiguration {
  /// The rotary embedding's radians per position, one for each pair of elements of a head; none where
  /// nothing is turned.
  ///
  /// Computed as transformers does, in single precision after the power.
  var rotaryFrequencies: [Float] {
    guard architecture.positions == .rotary else { return [] }
    let half = headWidth / 2
    let plain = (0..<half).map { index in
      1 / Float(pow(ropeTheta, Double(2 * index) / Double(headWidth)))
    }
    if let factors = ropeFrequencyFactors {
      precondition(factors.count == half, "\(factors.count) frequency factors for \(half) pairs")
      return zip(plain, factors).map { $0 / $1 }
    }
    switch ropeScaling {
    case nil: return plain
    case .linear(let factor): return plain.map { $0 / Float(factor) }
    case .llama3(let factor, let low, let high, let context):
      return plain.map {
        Self.llama3Frequency(
          $0, factor: Float(factor), low: Float(low), high: Float(high), context: Float(context))
      }
    }
  }

  /// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between blended.
  private static func llama3Frequency(
    _ frequency: Float, factor: Float, low: Float, high: Float, context: Float
  ) -> Float {
    let wavelength = 2 * Float.pi / frequency
    if wavelength > context / low { return frequency / factor }
    if wavelength < context / high { return frequency }
    let smooth = (context / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency
  }
}
