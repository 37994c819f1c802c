// SPDX-License-Identifier: Apache-2.0
internal import Randomness
internal import Tensors

/// Ternary values drawn at random, so that on average nothing is lost: for senders that cannot
/// remember what a message left out.
///
/// With one scale s for the whole vector a value v becomes sign(v) s with probability |v| / s, and
/// else 0: its expectation is v. Where |v| is s or more there is nothing to draw, and the value
/// travels as it is. W. Wen et al., "TernGrad", 2017, section 3.1, with s below the maximum, so
/// that the expected number of non-zeros is the one asked for.
///
/// The draws are not independent: a systematic sample (W. Madow, "On the Theory of Systematic
/// Sampling II", 1949) moves one uniform offset along the running sum of the probabilities, and
/// picks a value wherever that passes a whole number. Each value has its probability exactly, and
/// the number of picks, rounding aside, is fixed: so a message has a largest size.
struct StochasticTernary {
  /// What a picked value becomes, but for its sign.
  let scale: Float
  /// How far the running sum is past the last whole number: below 1.
  private var offset: Double

  /// The draw of about `keptCount` of `values`, which are finite, from `seed`.
  ///
  /// - Throws: for values so large that their scale is no finite number.
  init(keeping keptCount: Int, of values: [Float], seed: Seed) throws(UpdateError) {
    let nonZeros = values.lazy.filter { $0 != 0 }
    guard nonZeros.count > keptCount else {
      // There is room for all: nothing is drawn.
      self.init(scale: nonZeros.map(\.magnitude).min() ?? 0, seed: seed)
      return
    }
    let exact = Self.scale(keeping: keptCount, of: values)
    // Rounded up, so that the probabilities add up to a little less than `keptCount`.
    let scale = Float(exact).nextUp.nextUp
    guard scale.isFinite else { throw .magnitude(exact) }
    self.init(scale: scale, seed: seed)
  }

  init(scale: Float, seed: Seed) {
    var stream = RandomStream(seed)
    self.init(scale: scale, offset: stream.unit())
  }

  init(scale: Float, offset: Double) {
    self.scale = scale
    self.offset = offset
  }

  /// What is picked of the next tensor's `values`.
  mutating func tensor(of values: UnsafeBufferPointer<Float>) -> TernaryTensor {
    var symbols: [UInt32] = []
    var exact: [TernaryTensor.ExactValue] = []
    for (index, value) in values.enumerated() where value != 0 {
      guard value.magnitude < scale else {
        exact.append(TernaryTensor.ExactValue(index: UInt32(index), value: value))
        continue
      }
      offset += Double(value.magnitude) / Double(scale)
      guard offset >= 1 else { continue }
      offset -= 1
      symbols.append(UInt32(index) << 1 | (value > 0 ? 1 : 0))
    }
    return TernaryTensor(count: values.count, scale: scale, symbols: symbols, exact: exact)
  }

  /// The s at which the sum of min(1, |v| / s) is `keptCount`, or a larger one.
  ///
  /// Each step takes the values that are sent as they are out of both sides. The sum never passes
  /// `keptCount` on the way, so that it may end after any step.
  private static func scale(keeping keptCount: Int, of values: [Float]) -> Double {
    var scale = 0.0
    var saturatedCount = 0
    for step in 0..<20 {
      var sum = 0.0
      var count = 0
      for value in values {
        if step > 0, Double(value.magnitude) >= scale {
          count += 1
        } else {
          sum += Double(value.magnitude)
        }
      }
      guard sum > 0, count < keptCount, step == 0 || count > saturatedCount else { break }
      saturatedCount = count
      scale = sum / Double(keptCount - count)
    }
    return scale
  }
}

extension TernaryUpdate {
  /// About `keptCount` values of `delta`, drawn from `seed`: the expectation is `delta`.
  ///
  /// - Throws: for a value that is not finite, or a layout beyond the format's limits.
  init(
    drawing keptCount: Int, of delta: ParameterVector, seed: Seed
  ) throws(UpdateError) {
    try UpdateContainer.checkLimits(of: delta.layout)
    if let index = firstNonFinite(in: delta.values) { throw .nonFinite(at: index, of: delta) }
    var draw = try StochasticTernary(keeping: keptCount, of: delta.values, seed: seed)
    let tensors = delta.values.withUnsafeBufferPointer { values in
      delta.layout.entries.map { entry in
        draw.tensor(of: UnsafeBufferPointer(rebasing: values[entry.range]))
      }
    }
    self.init(layout: delta.layout, kind: .stochasticTernary, tensors: tensors)
  }
}
