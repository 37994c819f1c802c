// SPDX-License-Identifier: Apache-2.0

/// Which values are the largest by magnitude: those above `bits`, and the first few equal to it.
///
/// The bits of a float without its sign order magnitudes as integers, so a radix selection over
/// three digits (11, 10 and 10 bits) finds the exact threshold without sorting.
package struct MagnitudeThreshold: Equatable {
  /// The magnitude at the threshold, as bits.
  let bits: UInt32
  /// How many values with exactly this magnitude are kept, the lowest indices first.
  let tieCount: Int

  static let magnitudeMask: UInt32 = 0x7FFF_FFFF
  private static let infinity: UInt32 = 0x7F80_0000
}

extension MagnitudeThreshold {
  /// The threshold that keeps `keptCount` of `values`, less where there are not as many non-zeros;
  /// nil if a value is not finite.
  ///
  /// - Precondition: `keptCount` is at most the number of values.
  /// - Complexity: O(count), three passes.
  package init?(keeping keptCount: Int, of values: UnsafeBufferPointer<Float>) {
    precondition(keptCount <= values.count, "keeping \(keptCount) of \(values.count) values")
    var wanted = keptCount
    let leading = Self.leadingDigits(of: values)
    guard leading[Int(Self.infinity >> 20)...].allSatisfy({ $0 == 0 }) else { return nil }
    guard keptCount > 0 else {
      self.init(bits: Self.infinity, tieCount: 0)
      return
    }
    let first = Self.descend(leading, &wanted)
    let middle = Self.digits(of: values, below: first, at: 20)
    let second = first << 10 | Self.descend(middle, &wanted)
    let last = Self.digits(of: values, below: second, at: 10)
    let bits = second << 10 | Self.descend(last, &wanted)
    // Zeros are never kept, however many values were wanted.
    self.init(bits: bits, tieCount: bits == 0 ? 0 : wanted)
  }

  /// How many values have each of the 2048 leading digits.
  private static func leadingDigits(of values: UnsafeBufferPointer<Float>) -> [Int] {
    // Neighbours often share a digit: four tables, so that a count need not wait for the last.
    let size = 1 << 11
    var tables = [Int](repeating: 0, count: 4 * size)
    tables.withUnsafeMutableBufferPointer { tables in
      var index = 0
      while index < values.count {
        let digit = (values[index].bitPattern & magnitudeMask) &>> 20
        tables[Int(digit) &+ (index & 3) &* size] &+= 1
        index &+= 1
      }
      var digit = 0
      while digit < size {
        tables[digit] += tables[digit + size] + tables[digit + 2 * size] + tables[digit + 3 * size]
        digit &+= 1
      }
    }
    return Array(tables[..<size])
  }

  /// How many of the values whose bits from `shift` up are `prefix` have each of the 1024 next
  /// digits.
  private static func digits(
    of values: UnsafeBufferPointer<Float>, below prefix: UInt32, at shift: UInt32
  ) -> [Int] {
    var counts = [Int](repeating: 0, count: 1 << 10)
    counts.withUnsafeMutableBufferPointer { counts in
      var index = 0
      while index < values.count {
        let bits = values[index].bitPattern & magnitudeMask
        if bits &>> shift == prefix {
          counts[Int((bits &>> (shift &- 10)) & 1023)] &+= 1
        }
        index &+= 1
      }
    }
    return counts
  }

  /// The digit in which the `wanted`-th largest value lies; `wanted` becomes its rank in there.
  private static func descend(_ counts: [Int], _ wanted: inout Int) -> UInt32 {
    var digit = counts.count - 1
    while counts[digit] < wanted {
      wanted -= counts[digit]
      digit -= 1
    }
    return UInt32(digit)
  }
}
