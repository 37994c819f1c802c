// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@testable import Simulation

@Suite struct EventQueueTests {
  @Test func theSoonestComesFirstAndEqualsInTheOrderOfAdding() {
    var random = RandomStream(Seed(3))
    var queue = EventQueue<Int>()
    var expected: [(time: Int64, number: Int)] = []
    for number in 0..<500 {
      let time = Int64(random.integer(below: 60))
      queue.add(number, at: time)
      expected.append((time, number))
    }
    expected.sort { ($0.time, $0.number) < ($1.time, $1.number) }
    for one in expected {
      let next = queue.next()
      #expect(next?.time == one.time && next?.event == one.number)
    }
    #expect(queue.next() == nil)
  }
}
