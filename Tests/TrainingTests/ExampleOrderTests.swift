// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@testable import Training

struct ExampleOrderTests {
  private let order = ExampleOrder(exampleCount: 7, seed: Seed(3))

  @Test func everyEpochHasEveryExampleOnce() {
    for epoch in 0..<5 {
      let indices = order.indices(at: (epoch * 7)..<(epoch * 7 + 7))
      #expect(indices.sorted() == Array(0..<7))
    }
  }

  @Test func epochsHaveDifferentOrders() {
    #expect(order.indices(at: 0..<7) != order.indices(at: 7..<14))
  }

  @Test func anyPartIsThatOfTheWhole() {
    let whole = order.indices(at: 0..<40)
    for start in 0..<40 {
      for end in start...40 {
        #expect(order.indices(at: start..<end) == Array(whole[start..<end]))
      }
    }
  }

  @Test func seedsGiveDifferentOrders() {
    let other = ExampleOrder(exampleCount: 7, seed: Seed(4))
    #expect(order.indices(at: 0..<21) != other.indices(at: 0..<21))
  }

  @Test func oneExampleRepeats() {
    #expect(ExampleOrder(exampleCount: 1, seed: Seed(0)).indices(at: 5..<8) == [0, 0, 0])
  }
}
