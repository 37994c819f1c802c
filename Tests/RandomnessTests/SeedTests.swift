// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@Suite struct SeedTests {
  @Test func aDerivedSeedIsABlockOfTheLabelsStream() {
    // FNV-1a of "" and of "foobar", as its authors publish them.
    for (label, hash) in [("", 0xCBF2_9CE4_8422_2325), ("foobar", 0x8594_4171_F739_67E8 as UInt64)]
    {
      let words = Philox(key: 5).block(9, stream: hash)
      #expect(Seed(5).derived(label, 9).value == UInt64(words[1]) << 32 | UInt64(words[0]))
    }
  }

  @Test func usesOfASeedShareNothing() {
    let seeds =
      ["order", "adapter", "cohort"].flatMap { label in
        (0..<5).flatMap { index in (0..<3).map { Seed($0).derived(label, index) } }
      } + (0..<3).map { Seed($0) }
    var words: Set<UInt64> = []
    for seed in seeds {
      var stream = RandomStream(seed)
      for _ in 0..<100 { words.insert(stream.next()) }
    }
    #expect(words.count == seeds.count * 100)
  }

  @Test func streamsOfNeighboursAreUncorrelated() {
    var left = RandomStream(Seed(1).derived("order", 0))
    var right = RandomStream(Seed(1).derived("order", 1))
    var equal = 0
    for _ in 0..<1000 { equal += 64 - (left.next() ^ right.next()).nonzeroBitCount }
    // Of 64000 bits half agree, with a deviation of 126.
    #expect(abs(equal - 32_000) < 5 * 127)
  }

  @Test func goldenDerivedSeed() {
    #expect(Seed(42).derived("order", 3).value == 9_371_655_727_782_255_602)
  }
}
