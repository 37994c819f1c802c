// SPDX-License-Identifier: Apache-2.0

/// One tensor of a ternary update: every element is 0, +scale or -scale.
public struct TernaryTensor: Hashable, Sendable {
  /// The number of elements.
  public let count: Int

  /// The magnitude of every non-zero.
  public let scale: Float

  /// The non-zeros in the order of their indices, as ``RiceCode`` has them.
  let symbols: [UInt32]

  /// The number of elements that are not zero.
  public var nonZeroCount: Int { symbols.count }

  /// The indices of the non-zeros, ascending, with their signs.
  public var nonZeros: some Sequence<(index: Int, isPositive: Bool)> {
    symbols.lazy.map { (Int($0 >> 1), $0 & 1 == 1) }
  }

  /// The Euclidean norm squared: non-zeros times the scale squared.
  public var squaredNorm: Double { Double(nonZeroCount) * Double(scale) * Double(scale) }

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
  }
}
