// SPDX-License-Identifier: Apache-2.0

/// One tensor of a ternary update: every element is 0, +scale or -scale.
public struct TernaryTensor: Hashable, Sendable {
  /// A value that travels as it is: one of at least the scale, of a stochastic update.
  struct ExactValue: Hashable {
    let index: UInt32
    let value: Float
  }

  /// The number of elements.
  public let count: Int

  /// The magnitude of every non-zero.
  public let scale: Float

  /// The non-zeros in the order of their indices, as ``RiceCode`` has them.
  let symbols: [UInt32]

  /// Non-zeros of another magnitude than the scale, ascending; none of them is among the symbols.
  var exact: [ExactValue] = []

  /// The number of elements that are not zero.
  public var nonZeroCount: Int { symbols.count + exact.count }

  /// The indices of the non-zeros of the scale's magnitude, ascending, with their signs.
  public var nonZeros: some Sequence<(index: Int, isPositive: Bool)> {
    symbols.lazy.map { (Int($0 >> 1), $0 & 1 == 1) }
  }

  /// The Euclidean norm squared.
  public var squaredNorm: Double {
    exact.reduce(Double(symbols.count) * Double(scale) * Double(scale)) {
      $0 + Double($1.value) * Double($1.value)
    }
  }

  /// Whether an element is said to be exact and of the scale's magnitude at once.
  var hasDoubles: Bool {
    guard !exact.isEmpty else { return false }
    let drawn = Set(symbols.map { $0 >> 1 })
    return exact.contains { drawn.contains($0.index) }
  }

  /// Writes the non-zeros over `values`, which are this tensor's.
  func write(to values: UnsafeMutableBufferPointer<Float>) {
    precondition(values.count == count, "writing \(count) elements over \(values.count)")
    let magnitude = scale.bitPattern
    symbols.withUnsafeBufferPointer { symbols in
      var position = 0
      while position < symbols.count {
        let symbol = symbols[position]
        let sign = ~symbol &<< 31
        values[Int(symbol &>> 1)] = Float(bitPattern: magnitude | sign)
        position &+= 1
      }
    }
    for element in exact { values[Int(element.index)] = element.value }
  }

  /// Adds `weight` times every non-zero to `sums`, which are this tensor's.
  func add(to sums: UnsafeMutableBufferPointer<Double>, weight: Double) {
    precondition(sums.count == count, "adding \(count) elements to \(sums.count)")
    let amount = weight * Double(scale)
    symbols.withUnsafeBufferPointer { symbols in
      var position = 0
      while position < symbols.count {
        let symbol = symbols[position]
        sums[Int(symbol &>> 1)] += symbol & 1 == 1 ? amount : -amount
        position &+= 1
      }
    }
    for element in exact { sums[Int(element.index)] += weight * Double(element.value) }
  }
}
