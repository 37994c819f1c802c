// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Randomness
import Testing

@Suite struct RandomStreamTests {
  @Test func aStreamReadsTheBlocksInOrder() {
    var stream = RandomStream(Seed(0))
    #expect(stream.next() == 0xE169_C58D_6627_E8D5)
    #expect(stream.next() == 0x9B00_DBD8_BC57_AC4C)
    let words = Philox(key: 0).block(1)
    #expect(stream.next() == UInt64(words[1]) << 32 | UInt64(words[0]))
  }

  @Test func integersStayBelowTheirBoundAndReachAll() {
    var stream = RandomStream(Seed(1))
    for bound in 1...20 {
      let drawn = Set((0..<400).map { _ in stream.integer(below: bound) })
      #expect(drawn == Set(0..<bound))
    }
  }

  @Test(arguments: [2, 3, 6, 10])
  func smallIntegersAreEquallyLikely(bound: Int) {
    var stream = RandomStream(Seed(2))
    let drawCount = 6000
    var counts = [Int](repeating: 0, count: bound)
    for _ in 0..<drawCount { counts[stream.integer(below: bound)] += 1 }
    let share = 1 / Double(bound)
    let deviation = (Double(drawCount) * share * (1 - share)).squareRoot()
    for count in counts {
      #expect(abs(Double(count) - Double(drawCount) * share) < 5 * deviation)
    }
  }

  @Test func largeIntegersAreEquallyLikely() {
    // The remainder of 64 random bits would fall into these thirds as 3 : 3 : 2.
    var stream = RandomStream(Seed(3))
    let third = 1 << 61
    var counts = [0, 0, 0]
    for _ in 0..<6000 { counts[stream.integer(below: 3 * third) / third] += 1 }
    for count in counts { #expect(abs(Double(count) - 2000) < 5 * 36.5) }
  }

  @Test func unitsAreMultiplesOfTheirStepBelowOne() {
    var stream = RandomStream(Seed(4))
    var sum = 0.0
    for _ in 0..<4000 {
      let unit = stream.unit()
      #expect((0..<1).contains(unit))
      #expect((unit * 0x1p53).rounded() == unit * 0x1p53)
      sum += unit
    }
    #expect(abs(sum / 4000 - 0.5) < 5 * 0.2887 / 4000.0.squareRoot())
  }

  @Test func uniformsStayWithinTheirBound() {
    var stream = RandomStream(Seed(5))
    var negative = 0
    for _ in 0..<4000 {
      let value = stream.uniform(bound: 0.25)
      #expect((-0.25..<0.25).contains(value))
      negative += value < 0 ? 1 : 0
    }
    #expect(abs(negative - 2000) < 160)
  }

  @Test(arguments: [0, 1, 2, 3, 10, 257])
  func shufflingIsAPermutation(count: Int) {
    var stream = RandomStream(Seed(6))
    var elements = Array(0..<count)
    stream.shuffle(&elements)
    #expect(elements.sorted() == Array(0..<count))
    if count > 10 { #expect(elements != Array(0..<count)) }
  }

  @Test func everyOrderIsEquallyLikely() {
    var stream = RandomStream(Seed(7))
    var counts: [[Int]: Int] = [:]
    for _ in 0..<6000 {
      var elements = [0, 1, 2]
      stream.shuffle(&elements)
      counts[elements, default: 0] += 1
    }
    #expect(counts.count == 6)
    for count in counts.values { #expect(abs(count - 1000) < 145) }
  }

  /// Pinned: an independent Philox in Python gave these too.
  @Test func goldenDraws() {
    var stream = RandomStream(Seed(2026))
    #expect(
      (0..<8).map { _ in stream.integer(below: 1000) }
        == [522, 296, 348, 818, 719, 903, 921, 898])
    #expect(
      (0..<3).map { _ in stream.uniform(bound: 1).bitPattern }
        == [3_207_628_870, 3_206_779_166, 3_209_948_250])
    #expect(
      (0..<2).map { _ in stream.unit().bitPattern }
        == [4_588_599_345_864_315_232, 4_606_811_257_094_257_189])
    var elements = Array(0..<10)
    stream.shuffle(&elements)
    #expect(elements == [6, 9, 5, 3, 0, 4, 8, 1, 7, 2])
  }

  @Test func aSavedStreamGoesOnWhereItWas() throws {
    var stream = RandomStream(Seed(8))
    for _ in 0..<5 { _ = stream.next() }
    let data = try JSONEncoder().encode(stream)
    var restored = try JSONDecoder().decode(RandomStream.self, from: data)
    #expect(restored == stream)
    #expect((0..<10).map { _ in restored.next() } == (0..<10).map { _ in stream.next() })
  }
}
