// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@testable import Updates

@Suite struct BitBuffersTests {
  /// Groups of 0 to 56 bits, each with its bits.
  private let groups: [(bits: UInt64, count: UInt64)] = {
    var stream = RandomStream(Seed(1))
    return (0..<400).map { index in
      let count = UInt64(index < 57 ? index : stream.integer(below: 57))
      return (stream.next() & ((1 << count) - 1), count)
    }
  }()

  @Test func groupsAreWrittenEndToEndFromTheLowestBitUp() {
    let expected: [Bool] = groups.flatMap { group in
      (0..<Int(group.count)).map { group.bits >> $0 & 1 == 1 }
    }
    let bytes = written()
    for (position, bit) in expected.enumerated() {
      #expect((bytes[position / 8] >> (position % 8) & 1 == 1) == bit)
    }
    // What follows is zero up to the writer's last word, and untouched beyond it.
    for position in expected.count..<((expected.count / 8 + 8) * 8) {
      #expect(bytes[position / 8] >> (position % 8) & 1 == 0)
    }
    #expect(bytes.last == 0xAA)
  }

  @Test func whatWasWrittenIsReadBack() {
    written().withUnsafeBytes { bytes in
      let reader = BitReader(bytes)
      var bit = 0
      for group in groups {
        #expect(reader.window(at: bit) & ((1 << group.count) - 1) == group.bits)
        bit += Int(group.count)
      }
    }
  }

  @Test(arguments: 0...20)
  func beyondTheEndThereAreZeros(byteCount: Int) {
    let bytes = [UInt8](repeating: 0xFF, count: byteCount)
    bytes.withUnsafeBytes { bytes in
      let reader = BitReader(bytes)
      for bit in 0..<(byteCount * 8 + 100) {
        let left = max(0, byteCount * 8 - bit)
        let window = reader.window(at: bit)
        #expect(window.nonzeroBitCount == window.trailingOnes)
        #expect(window.trailingOnes >= min(left, 57))
        #expect(window.trailingOnes <= left)
      }
    }
  }

  @Test(arguments: [0, 1, 5, 63, 64, 65, 200, 1000])
  func aRunIsAsLongAsItIs(length: Int) {
    for start in 0..<9 {
      var bytes = [UInt8](repeating: 0, count: 150)
      for bit in start..<(start + length) { bytes[bit / 8] |= 1 << (bit % 8) }
      bytes.withUnsafeBytes { bytes in
        let reader = BitReader(bytes)
        var bit = start
        #expect(reader.longRun(0, at: &bit, limit: 1000) == length)
        #expect(bit == start + length)
      }
    }
  }

  @Test func aRunBeyondItsLimitIsNotFollowed() {
    let bytes = [UInt8](repeating: 0xFF, count: 10_000)
    bytes.withUnsafeBytes { bytes in
      var bit = 3
      let length = BitReader(bytes).longRun(0, at: &bit, limit: 100)
      #expect((101...165).contains(length))
      #expect(bit == 3 + Int(length))
    }
  }

  @Test func aRunThatNothingEndsEndsWithTheBytes() {
    let bytes = [UInt8](repeating: 0xFF, count: 13)
    bytes.withUnsafeBytes { bytes in
      var bit = 0
      #expect(BitReader(bytes).longRun(0, at: &bit, limit: .max) == 104)
    }
  }

  /// All groups, in a buffer of 0xAA that is longer than they are.
  private func written() -> [UInt8] {
    let bitCount = groups.reduce(0) { $0 + Int($1.count) }
    var bytes = [UInt8](repeating: 0xAA, count: bitCount / 8 + 20)
    bytes.withUnsafeMutableBytes { bytes in
      var writer = BitWriter(bytes)
      for group in groups { writer.append(group.bits, count: group.count) }
      writer.append(0, count: 0)
    }
    return bytes
  }
}

extension UInt64 {
  /// The length of the run of ones from the lowest bit up.
  fileprivate var trailingOnes: Int { (~self).trailingZeroBitCount }
}
