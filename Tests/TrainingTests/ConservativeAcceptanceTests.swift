// SPDX-License-Identifier: Apache-2.0
import Models
import Tensors
import Testing
import Updates

@testable import Training

struct ConservativeAcceptanceTests {
  @Test func theLeastOfThreeLossesIsTaken() {
    let step = UpdateRule.sgd.step(
      1,
      for: [ProjectedGradient(query: 9, value: 3), ProjectedGradient(query: 2, value: -0.1)],
      learningRate: 0.1)
    func accepted(_ current: Double, _ after: Double, _ opposite: Double) -> DirectionStep {
      ConservativeAcceptance.accepted(
        step, current: current, after: after, afterOpposite: opposite)
    }
    #expect(accepted(2, 1, 3) == step)
    #expect(accepted(2, 3, 1) == step.opposite)
    #expect(accepted(1, 2, 3).terms.isEmpty && accepted(1, 2, 3).step == 1)
    #expect(accepted(1, 1, 1).terms.isEmpty)
    #expect(accepted(1, .nan, .nan).terms.isEmpty)
    #expect(accepted(.nan, 1, 2) == step)
    #expect(step.opposite.terms.map(\.coefficient) == step.terms.map { -$0.coefficient })
  }

  @Test func theFactorsThatAreLearnedAreThoseOfTheSettings() {
    let layout = ParameterLayout([
      (name: "x.lora_A.weight", shape: [3, 50]), (name: "x.lora_B.weight", shape: [7, 3]),
    ])
    let selection = ZerothOrderTraining(factors: .b).selection(of: layout)
    #expect(selection?.isSelected == [false, true])
    #expect(ZerothOrderTraining(factors: .both).selection(of: layout) == nil)
  }

  @Test func aSubspaceIsOfEachMovedTensorsNextColumns() throws {
    let layout = ParameterLayout(
      (0..<2).flatMap { layer in
        [
          ("h.\(layer).lora_A.weight", [5, 9]), ("h.\(layer).lora_B.weight", [7, 5]),
        ] as [(name: String, shape: [Int])]
      })
    let settings = ZerothOrderTraining(
      blockCount: 2, subspace: .init(rank: 2, stepCount: 3))
    let moved = settings.moved(of: layout)
    for step in 0..<24 as Range<UInt32> {
      let selection = try #require(moved.selection(atStep: step))
      #expect(selection.columns == [0..<2, 2..<4, 4..<5][Int(step) / 3 % 3])
      #expect(selection.isSelected == [false, step % 2 == 0, false, step % 2 == 1])
    }
    #expect(settings.movedCount(of: layout) == 7 * 2)
    try settings.check(for: layout)
    try settings.check(totalVersions: 1)
    func name(_ settings: ZerothOrderTraining) -> String? {
      do throws(TrainingError) {
        try settings.check(totalVersions: 1)
        try settings.check(for: layout)
      } catch .badSetting(let name, _, _) { return name } catch {}
      return nil
    }
    #expect(name(ZerothOrderTraining(subspace: .init(rank: 5))) == nil)
    #expect(name(ZerothOrderTraining(subspace: .init(rank: 6))) == "subspace-rank")
    #expect(name(ZerothOrderTraining(subspace: .init(rank: 0))) == "subspace.rank")
    #expect(
      name(ZerothOrderTraining(subspace: .init(rank: 1, stepCount: 0))) == "subspace.stepCount")
    #expect(name(ZerothOrderTraining(factors: .both, subspace: .init(rank: 1))) == "factors")
    #expect(
      name(ZerothOrderTraining(source: .pool(count: 9), subspace: .init(rank: 1))) == "source")
  }

  @Test func blocksAreOfConsecutiveLayers() throws {
    let names = [2, 0, 1, 10, 11].flatMap { layer in
      ["h.\(layer).attn.lora_A.weight", "h.\(layer).attn.lora_B.weight"]
    }
    let layout = ParameterLayout(names.map { ($0, [2, 3]) })
    let settings = ZerothOrderTraining(blockCount: 2)
    let moved = settings.moved(of: layout)
    func layers(atStep step: UInt32) -> [Int] {
      zip([2, 2, 0, 0, 1, 1, 10, 10, 11, 11], moved.selection(atStep: step)?.isSelected ?? [])
        .filter(\.1).map(\.0)
    }
    #expect(layers(atStep: 0) == [2, 0, 1] && layers(atStep: 1) == [10, 11])
    #expect(layers(atStep: 2) == layers(atStep: 0))
    #expect(settings.movedCount(of: layout) == 15)
    #expect(ZerothOrderTraining().moved(of: layout) == MovedTensors(settings.selection(of: layout)))
    try ZerothOrderTraining(blockCount: 5).check(for: layout)
    #expect(throws: TrainingError.self) {
      try ZerothOrderTraining(blockCount: 6).check(for: layout)
    }
    try ZerothOrderTraining().check(for: ParameterLayout([("a", [3])]))
  }
}
