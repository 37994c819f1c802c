// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Tensors
import Testing

@testable import Updates

@Suite struct ServerOptimizerTests {
  static let rules: [ServerOptimizerRule] = [
    .sgd(), .sgd(learningRate: 0.5, momentum: 0.9), .adam(), .yogi(), .adagrad(),
  ]

  @Test func plainAveragingAddsTheMean() {
    var optimizer = ServerOptimizer(rule: .sgd(), layout: layout(2))
    var adapter = vector([1, 2])
    optimizer.apply(vector([0.25, -4]), to: &adapter)
    #expect(adapter.values == [1.25, -2])
    #expect(optimizer.state.isEmpty)
  }

  @Test func momentumGathers() {
    var optimizer = ServerOptimizer(
      rule: .sgd(learningRate: 0.5, momentum: 0.75), layout: layout(1))
    var adapter = vector([0])
    optimizer.apply(vector([4]), to: &adapter)
    #expect(optimizer.state.map(\.values) == [[4]])
    #expect(adapter.values == [2])
    optimizer.apply(vector([1]), to: &adapter)
    #expect(optimizer.state.map(\.values) == [[4]])
    #expect(adapter.values == [4])
  }

  @Test func adamByHand() {
    // m = 0.5 * 0 + 0.5 * 2 = 1; v = 0.75 * 0.25 + 0.25 * 4 = 1.1875.
    var optimizer = ServerOptimizer(
      rule: .adam(learningRate: 0.1, beta1: 0.5, beta2: 0.75, tau: 0.5), layout: layout(1))
    var adapter = vector([1])
    optimizer.apply(vector([2]), to: &adapter)
    #expect(optimizer.state.map(\.values) == [[1], [1.1875]])
    // 1 + 0.1 / (1.0897247358851685 + 0.5)
    #expect(adapter.values == [Float(1.0629039718277513)])
  }

  @Test func yogiByHand() {
    // v = 0.25 is below d^2 = 4, so it grows: 0.25 + 0.25 * 4 = 1.25.
    var optimizer = ServerOptimizer(
      rule: .yogi(learningRate: 0.1, beta1: 0.5, beta2: 0.75, tau: 0.5), layout: layout(1))
    var adapter = vector([1])
    optimizer.apply(vector([2]), to: &adapter)
    #expect(optimizer.state.map(\.values) == [[1], [1.25]])
    // 1 + 0.1 / (1.118033988749895 + 0.5)
    #expect(adapter.values == [Float(1.0618033988749895)])
    // Above d^2 = 0.25 it shrinks by a quarter of that, and at d^2 = v it stays.
    optimizer.apply(vector([0.5]), to: &adapter)
    #expect(optimizer.state.map(\.values) == [[0.75], [1.1875]])
  }

  @Test func yogiStandsStillWhereVarianceIsTheSquare() {
    var optimizer = ServerOptimizer(
      rule: .yogi(learningRate: 1, beta1: 0, beta2: 0.5, tau: 0.5), layout: layout(1))
    var adapter = vector([0])
    optimizer.apply(vector([0.5]), to: &adapter)
    #expect(optimizer.state.map(\.values) == [[0.5], [0.25]])
    #expect(adapter.values == [0.5])
  }

  @Test func adagradByHand() {
    // v = 0.25 + 4 = 4.25; 0.1 * 2 / (2.0615528128088303 + 0.5) = 0.07807764064044152.
    var optimizer = ServerOptimizer(
      rule: .adagrad(learningRate: 0.1, tau: 0.5), layout: layout(1))
    var adapter = vector([0])
    optimizer.apply(vector([2]), to: &adapter)
    #expect(optimizer.state.map(\.values) == [[4.25]])
    #expect(adapter.values == [Float(0.07807764064044152)])
  }

  @Test(arguments: rules)
  func zeroDeltasMoveNothingAtFirst(rule: ServerOptimizerRule) {
    var optimizer = ServerOptimizer(rule: rule, layout: layout(3))
    var adapter = vector([1, -2, 0])
    optimizer.apply(vector([0, 0, 0]), to: &adapter)
    #expect(adapter.values == [1, -2, 0])
  }

  @Test(arguments: rules)
  func aSnapshotGoesOnWithTheSameBits(rule: ServerOptimizerRule) throws {
    let layout = layout(40, 10)
    var optimizer = ServerOptimizer(rule: rule, layout: layout)
    var adapter = randomVector(layout, seed: 100)
    for round in 0..<5 {
      optimizer.apply(randomVector(layout, seed: UInt64(round)), to: &adapter)
    }
    var restored = try ServerOptimizer(rule: rule, layout: layout, state: optimizer.state)
    var other = adapter
    for round in 5..<10 {
      optimizer.apply(randomVector(layout, seed: UInt64(round)), to: &adapter)
      restored.apply(randomVector(layout, seed: UInt64(round)), to: &other)
    }
    #expect(adapter.digest == other.digest)
    #expect(restored == optimizer)
    #expect(adapter.isFinite)
  }

  @Test func theStateOfAnotherRuleOrLayoutIsRefused() {
    let adam = ServerOptimizer(rule: .adam(), layout: layout(3))
    #expect(throws: UpdateError.optimizerState(expected: 0, found: 2)) {
      try ServerOptimizer(rule: .sgd(), layout: layout(3), state: adam.state)
    }
    #expect(throws: UpdateError.optimizerState(expected: 2, found: 0)) {
      try ServerOptimizer(rule: .adam(), layout: layout(4), state: adam.state)
    }
  }

  @Test func rulesOutOfRangeAreInvalid() {
    #expect(Self.rules.allSatisfy { $0.isValid })
    let invalid: [ServerOptimizerRule] = [
      .sgd(learningRate: 0), .sgd(momentum: 1), .sgd(momentum: -0.1), .sgd(learningRate: .nan),
      .adam(beta1: 1), .adam(beta2: 1), .yogi(tau: 0), .yogi(learningRate: .infinity),
      .adagrad(learningRate: -1), .adagrad(tau: .nan),
    ]
    #expect(invalid.allSatisfy { !$0.isValid })
  }

  @Test(arguments: rules)
  func rulesSurviveCoding(rule: ServerOptimizerRule) throws {
    let data = try JSONEncoder().encode(rule)
    #expect(try JSONDecoder().decode(ServerOptimizerRule.self, from: data) == rule)
  }
}
