// SPDX-License-Identifier: Apache-2.0
import Federation
import Randomness
import Testing

@Suite struct BackoffTests {
  @Test func delaysGrowToTheLongestAndStayThere() {
    var backoff = Backoff(first: .seconds(1), longest: .seconds(6), seed: Seed(1))
    for ceiling in [1, 2, 4, 6, 6, 6, 6] {
      let delay = backoff.next()
      #expect(delay >= .seconds(ceiling) / 2)
      #expect(delay <= .seconds(ceiling))
    }
  }

  @Test func resetBeginsAnewWithOtherDelays() {
    var backoff = Backoff(first: .seconds(1), longest: .seconds(64), seed: Seed(2))
    let first = backoff.next()
    for _ in 0..<5 { _ = backoff.next() }
    backoff.reset()
    let again = backoff.next()
    #expect(again <= .seconds(1))
    #expect(again != first)
  }

  @Test func sameSeedSameDelays() {
    var one = Backoff(seed: Seed(3))
    var two = Backoff(seed: Seed(3))
    var other = Backoff(seed: Seed(4))
    let delays = (0..<10).map { _ in one.next() }
    #expect(delays == (0..<10).map { _ in two.next() })
    #expect(delays != (0..<10).map { _ in other.next() })
  }

  @Test func workersThatLostTheirCoordinatorSpread() {
    let delays = (0..<100).map { worker in
      var backoff = Backoff(first: .seconds(1), longest: .seconds(8), seed: Seed(UInt64(worker)))
      return backoff.next()
    }
    #expect(Set(delays).count == 100)
    #expect((delays.max() ?? .zero) - (delays.min() ?? .zero) > .milliseconds(400))
  }

  @Test func neverOverflows() {
    var backoff = Backoff(first: .nanoseconds(1), longest: .seconds(1 << 50), seed: Seed(5))
    for _ in 0..<1000 { #expect(backoff.next() <= .seconds(1 << 50)) }
  }
}
