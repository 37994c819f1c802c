// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@testable import Updates

@Suite struct MagnitudeThresholdTests {
  @Test(arguments: [1, 2, 3, 17, 500, 999, 1000])
  func keepsWhatSortingWouldKeep(keptCount: Int) throws {
    for seed in 0..<4 {
      // Magnitudes over many octaves, and many that are equal.
      var stream = RandomStream(Seed(UInt64(seed)))
      let values = (0..<1000).map { _ in
        Float(
          sign: stream.next() & 1 == 1 ? .plus : .minus,
          exponent: stream.integer(below: 40) - 20,
          significand: 1 + Float(stream.integer(below: 4)) / 4)
      }
      let delta = vector(values)
      let update = try TernaryUpdate(largest: keptCount, of: delta)
      #expect(update.tensors[0].nonZeros.map(\.index) == largest(keptCount, of: values))
    }
  }

  @Test func everyDigitDecides() throws {
    // Neighbouring floats: they differ in the lowest bit only.
    let values = (0..<64).map { Float(bitPattern: 0x3F80_0000 + UInt32($0 * 37 % 64)) }
    for keptCount in 1...64 {
      let update = try TernaryUpdate(largest: keptCount, of: vector(values))
      #expect(update.tensors[0].nonZeros.map(\.index) == largest(keptCount, of: values))
    }
  }

  @Test func amongEqualsLowerIndicesComeFirst() throws {
    let values: [Float] = [1, -2, 2, 2, -2, 1, 3]
    #expect(
      threshold(keeping: 3, of: values)
        == MagnitudeThreshold(bits: Float(2).bitPattern, tieCount: 2))
    let update = try TernaryUpdate(largest: 3, of: vector(values))
    #expect(update.tensors[0].nonZeros.map(\.index) == [1, 2, 6])
  }

  @Test func zerosAreNeverKept() throws {
    let values: [Float] = [0, -0.0, 5, 0, -Float.leastNonzeroMagnitude, 0]
    #expect(threshold(keeping: 4, of: values) == MagnitudeThreshold(bits: 0, tieCount: 0))
    let update = try TernaryUpdate(largest: 4, of: vector(values))
    #expect(update.tensors[0].nonZeros.map(\.index) == [2, 4])
    #expect(try TernaryUpdate(largest: 3, of: vector([0, 0, 0])).nonZeroCount == 0)
  }

  @Test(arguments: [Float.infinity, -.infinity, .nan, .signalingNaN])
  func whatIsNotFiniteHasNoThreshold(value: Float) {
    #expect(threshold(keeping: 1, of: [1, value, 2]) == nil)
    #expect(threshold(keeping: 0, of: [1, value, 2]) == nil)
  }

  @Test func theLargestFloatsAreFinite() throws {
    let values: [Float] = [.greatestFiniteMagnitude, 1, -.greatestFiniteMagnitude]
    let update = try TernaryUpdate(largest: 2, of: vector(values))
    #expect(update.tensors[0].scale == .greatestFiniteMagnitude)
  }

  private func threshold(keeping keptCount: Int, of values: [Float]) -> MagnitudeThreshold? {
    values.withUnsafeBufferPointer { MagnitudeThreshold(keeping: keptCount, of: $0) }
  }

  /// The indices of the largest values, by sorting.
  private func largest(_ count: Int, of values: [Float]) -> [Int] {
    let order = values.indices.sorted {
      (-values[$0].magnitude, $0) < (-values[$1].magnitude, $1)
    }
    return order.prefix(count).sorted()
  }
}
