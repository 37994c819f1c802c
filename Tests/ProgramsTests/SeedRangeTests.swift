// SPDX-License-Identifier: Apache-2.0
import Programs
import Testing

@Suite struct SeedRangeTests {
  @Test func oneSomeOrAllSeedsMayBeNamed() throws {
    let one = try #require(SeedRange("7"))
    #expect(one.first == 7 && one.end == 8)
    let some = try #require(SeedRange("10..1000"))
    #expect(some.first == 10 && some.end == 1000)
    let all = try #require(SeedRange("3.."))
    #expect(all.first == 3 && all.end == nil)
  }

  @Test(arguments: [
    "", "-1", "a", "1.", "1.5", "1...5", "5..5", "5..4", "..5", "18446744073709551615",
  ])
  func anythingElseIsRefused(text: String) {
    #expect(SeedRange(text) == nil)
  }

  @Test func theReportIsTheSameForEveryNumberOfThreads() async throws {
    let seeds = try #require(SeedRange("0..70"))
    let one = try await simulateFaults(seeds, threadCount: 1)
    let three = try await simulateFaults(seeds, threadCount: 3)
    #expect(one.seedCount == 70 && one.failure == nil)
    #expect(one.tally == three.tally && one.seedCount == three.seedCount)
    #expect(one.text.hasPrefix("70 seeds: "))
  }
}
