// SPDX-License-Identifier: Apache-2.0

/// Picks what a threshold keeps, tensor by tensor.
struct TernarySelection {
  let threshold: UInt32
  /// How many values equal to the threshold are still to be kept.
  var tieCount: Int
  /// Room for the non-zeros of a tensor.
  var symbols: [UInt32]

  init(threshold: MagnitudeThreshold, keptCount: Int) {
    self.threshold = threshold.bits
    tieCount = threshold.tieCount
    symbols = [UInt32](repeating: 0, count: keptCount)
  }

  /// What is kept of a tensor's `values`.
  mutating func tensor(of values: UnsafeBufferPointer<Float>) -> TernaryTensor {
    let threshold = threshold
    var tieCount = tieCount
    let kept = symbols.withUnsafeMutableBufferPointer { symbols in
      var kept = 0
      var index = 0
      while index < values.count {
        let bits = values[index].bitPattern
        let magnitude = bits & MagnitudeThreshold.magnitudeMask
        if magnitude >= threshold {
          let isTie = magnitude == threshold
          if !isTie || tieCount > 0 {
            precondition(kept < symbols.count, "more than \(symbols.count) values to keep")
            if isTie { tieCount &-= 1 }
            symbols[kept] = UInt32(truncatingIfNeeded: index) &<< 1 | ((bits &>> 31) ^ 1)
            kept &+= 1
          }
        }
        index &+= 1
      }
      return kept
    }
    self.tieCount = tieCount
    let selected = Array(symbols[..<kept])
    return TernaryTensor(
      count: values.count, scale: Self.meanMagnitude(of: selected, in: values), symbols: selected)
  }

  private static func meanMagnitude(
    of symbols: [UInt32], in values: UnsafeBufferPointer<Float>
  ) -> Float {
    guard !symbols.isEmpty else { return 0 }
    let sum = symbols.withUnsafeBufferPointer { symbols in
      var sum = 0.0
      var position = 0
      while position < symbols.count {
        sum += Double(values[Int(symbols[position] &>> 1)].magnitude)
        position &+= 1
      }
      return sum
    }
    return Float(sum / Double(symbols.count))
  }
}
