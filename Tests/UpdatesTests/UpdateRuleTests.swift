// SPDX-License-Identifier: Apache-2.0
import Randomness
import Tensors
import Testing

@testable import Updates

struct UpdateRuleTests {
  private let layout = ParameterLayout([
    (name: "x.lora_A.weight", shape: [3, 50]), (name: "x.lora_B.weight", shape: [7, 3]),
  ])
  private let directions = Directions(of: Seed(0))
  private let scalars = [
    ProjectedGradient(query: 9, value: 3), ProjectedGradient(query: 2, value: -0.1),
    ProjectedGradient(query: 4, value: 0),
  ]
  private let rules: [UpdateRule] = [.sgd, .sign, .momentum(beta: 0.9), .adam()]

  private var start: ParameterVector {
    ParameterVector(
      layout: layout, values: (0..<layout.count).map { Float($0 % 11) / 7 - 0.5 })
  }

  private func replica(
    _ rule: UpdateRule, selection: TensorSelection? = nil
  ) -> ZerothOrderReplica {
    ZerothOrderReplica(
      adapter: start, directions: directions, rule: rule, moved: MovedTensors(selection))
  }

  private func element(_ query: UInt32, step: UInt32, _ index: Int) -> Float {
    ParameterVector(zerosOf: layout)
      .adding(directions.direction(step: step, query: query), times: 1).values[index]
  }

  @Test func coefficientsAreRoundedOnceFromTheMean() {
    let step = UpdateRule.sgd.step(3, for: scalars, learningRate: 0.1)
    #expect(step.step == 3 && step.rate == nil)
    #expect(step.terms.map(\.query) == [9, 2, 4])
    #expect(
      step.terms.map(\.coefficient) == [
        Float(-0.1 * 3 / 3), Float(-0.1 * -0.1 / 3), 0,
      ])
    #expect(step.terms[1].coefficient.bitPattern == 0x3B5A_740E)
  }

  @Test func twiceTheQueriesAreNoLongerStep() {
    let twice = UpdateRule.sgd.step(0, for: scalars + scalars, learningRate: 0.1)
    let once = UpdateRule.sgd.step(0, for: scalars, learningRate: 0.1)
    #expect(twice.terms[0].coefficient == once.terms[0].coefficient / 2)
    #expect(UpdateRule.sgd.step(0, for: [], learningRate: 0.1).terms.isEmpty)
  }

  @Test func signsForgetTheSizes() {
    let step = UpdateRule.sign.step(0, for: scalars, learningRate: 0.3)
    #expect(step.terms.map(\.coefficient) == [Float(-0.1), Float(0.1), 0])
  }

  @Test func aStepIsExactSumsInTheOrderOfItsTerms() {
    var replica = replica(.sgd)
    let step = UpdateRule.sgd.step(5, for: scalars, learningRate: 0.1)
    replica.apply(step)
    for index in [0, 1, 149, 150, 170] {
      let expected = step.terms.reduce(start.values[index]) { sum, term in
        sum + term.coefficient * element(term.query, step: 5, index)
      }
      #expect(replica.adapter.values[index] == expected)
    }
  }

  @Test func aStepGoesAlongTheDirectionThatWasAskedAbout() {
    // Where moving along the direction raises the loss, the step goes against it, and so on.
    let replica = replica(.sgd)
    for value in [2.0, -2.0] {
      let step = UpdateRule.sgd.step(
        1, for: [ProjectedGradient(query: 6, value: value)], learningRate: 0.25)
      var moved = replica
      moved.apply(step)
      #expect(
        moved.adapter
          == replica.displaced(
            by: [DirectionTerm(query: 6, coefficient: value > 0 ? -0.5 : 0.5)], ofStep: 1))
    }
  }

  @Test func momentumKeepsAShareOfTheStepsBefore() {
    var replica = replica(.momentum(beta: 0.9))
    var (velocity, x): (Float, Float) = (0, start.values[20])
    for number in 0..<4 as Range<UInt32> {
      let rule = UpdateRule.momentum(beta: 0.9)
      let step = rule.step(number, for: scalars, learningRate: 0.1)
      #expect(step.rate == 0.1 && step.terms[0].coefficient == 1)
      replica.apply(step)
      velocity *= 0.9
      for term in step.terms {
        velocity += term.coefficient * element(term.query, step: number, 20)
      }
      let change = -0.1 * velocity
      x += change
      #expect(replica.adapter.values[20] == x)
    }
  }

  @Test func adamIsThatOfGradients() {
    var replica = replica(.adam(beta1: 0.8, beta2: 0.9, epsilon: 1e-6))
    var adapter = start
    var optimizer = AdamW(
      settings: AdamW.Settings(beta1: 0.8, beta2: 0.9, epsilon: 1e-6), count: layout.count)
    for number in 0..<3 as Range<UInt32> {
      let step = UpdateRule.adam().step(number, for: scalars, learningRate: 0.01)
      replica.apply(step)
      var gradient = ParameterVector(zerosOf: layout)
      for term in step.terms {
        gradient.add(
          directions.direction(step: number, query: term.query), times: term.coefficient)
      }
      optimizer.step(&adapter, gradient: gradient, learningRate: 0.01)
    }
    #expect(replica.adapter == adapter && adapter != start)
  }

  @Test func tensorsThatAreNotLearnedStayWithEveryRule() {
    let selection = TensorSelection(of: layout) { $0.name.contains("lora_B") }
    for rule in rules {
      var replica = replica(rule, selection: selection)
      for number in 0..<3 as Range<UInt32> {
        replica.apply(rule.step(number, for: scalars, learningRate: 0.1))
      }
      #expect(replica.adapter.values[..<150] == start.values[..<150])
      #expect(replica.adapter.values[150...] != start.values[150...])
    }
  }

  private func steps(_ numbers: Range<UInt32>) -> [DirectionStep] {
    numbers.map { UpdateRule.sgd.step($0, for: scalars, learningRate: 0.1) }
  }

  @Test func tensorsInTurnAreMovedEveryOtherStep() {
    let parts = ["lora_A", "lora_B"].map { part in
      TensorSelection(of: layout) { $0.name.contains(part) }
    }
    let moved = MovedTensors(inTurn: parts)
    var replica = ZerothOrderReplica(adapter: start, directions: directions, moved: moved)
    let steps = steps(4..<9)
    for step in steps {
      let before = replica.adapter
      replica.apply(step)
      let isFirst = step.step % 2 == 0
      #expect((replica.adapter.values[..<150] != before.values[..<150]) == isFirst)
      #expect((replica.adapter.values[150...] != before.values[150...]) == !isFirst)
    }
    var together = ZerothOrderReplica(adapter: start, directions: directions, moved: moved)
    together.apply(contentsOf: steps)
    #expect(together.adapter == replica.adapter)
    var followed = start
    let rules = WalkRules(
      distribution: directions.distribution, rule: .sgd, moved: moved, stepCount: 5, queryCount: 9)
    let walk = Walk(key: directions.key, steps: steps)
    #expect(throws: Never.self) {
      try rules.follow(DirectionsUpdate(walks: [walk]), &followed)
    }
    #expect(followed == replica.adapter)
  }

  @Test func columnsInStagesAreMovedForSomeStepsEach() throws {
    let isSelected = layout.entries.map { $0.name.contains("lora_B") }
    let columns = [0..<2, 2..<3]
    let moved = MovedTensors(
      inStages: columns.map { [TensorSelection(isSelected: isSelected, columns: $0)] }, ofSteps: 3)
    var replica = ZerothOrderReplica(adapter: start, directions: directions, moved: moved)
    let steps = steps(1..<14)
    for step in steps {
      let before = replica.adapter
      replica.apply(step)
      let isMoved = zip(replica.adapter.values, before.values).map { $0 != $1 }
      let current = columns[Int(step.step) / 3 % 2]
      for (entry, isSelected) in zip(layout.entries, isSelected) {
        let width = try #require(entry.shape.last)
        for index in entry.range {
          let column = (index - entry.offset) % width
          #expect(isMoved[index] == (isSelected && current.contains(column)))
        }
      }
    }
    var together = ZerothOrderReplica(adapter: start, directions: directions, moved: moved)
    together.apply(contentsOf: steps)
    #expect(together.adapter == replica.adapter)
  }

  @Test func aDroppedStepChangesNothingWithoutMomentum() {
    for rule in [UpdateRule.sgd, .sign] {
      var replica = replica(rule)
      replica.apply(rule.step(0, for: [], learningRate: 1))
      #expect(replica.adapter == start)
    }
  }
}
