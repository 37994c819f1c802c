// SPDX-License-Identifier: Apache-2.0
public import Tensors

/// Which tensors steps along directions move, and which columns of them: the same in each, or one part
/// after the other.
public struct MovedTensors: Hashable, Sendable {
  /// Those of each stage, one for each of its turns; nil for all tensors.
  private let turns: [[TensorSelection?]]
  /// How many steps a stage has.
  private let stageLength: Int

  /// All tensors, in every step.
  public static let all = MovedTensors(nil)

  /// The same tensors in every step.
  public init(_ selection: TensorSelection?) { self.init(inTurn: [selection]) }

  /// Those of the first selection in step 0, of the second in step 1 and so on, and over again.
  ///
  /// - Precondition: there is one.
  public init(inTurn selections: [TensorSelection?]) {
    self.init(inStages: [selections], ofSteps: 1)
  }

  /// In the first `stageLength` steps those of the first stage in turn, then of the second and so on,
  /// and over again.
  ///
  /// - Precondition: there is a stage, each has a turn, and no value is moved by two turns.
  public init(inStages turns: [[TensorSelection?]], ofSteps stageLength: Int) {
    precondition(
      stageLength > 0 && !turns.isEmpty && turns.allSatisfy { !$0.isEmpty },
      "\(turns.map(\.count)) turns in stages of \(stageLength) steps")
    self.turns = turns
    self.stageLength = stageLength
  }

  /// The tensors that a step moves; nil for all.
  public func selection(atStep step: UInt32) -> TensorSelection? {
    let place = place(of: step)
    return turns[place.stage][place.turn]
  }

  private func place(of step: UInt32) -> (stage: Int, turn: Int) {
    let stage = Int(step) / stageLength % turns.count
    return (stage, Int(step) % turns[stage].count)
  }

  /// Steps with what they move, those together that move the same.
  ///
  /// What moves a value stays in order.
  func groups(of steps: [DirectionStep]) -> [(selection: TensorSelection?, steps: [DirectionStep])]
  {
    turns.indices.flatMap { stage in
      turns[stage].indices.map { turn in
        (turns[stage][turn], steps.filter { place(of: $0.step) == (stage, turn) })
      }
    }
  }
}

extension ParameterVector {
  /// Adds what steps come to, each to the tensors that it moves, in their order.
  mutating func add(
    _ steps: [DirectionStep], along directions: Directions, to tensors: MovedTensors
  ) {
    for (selection, steps) in tensors.groups(of: steps) where !steps.isEmpty {
      add(steps.flatMap { $0.scaled(along: directions) }, to: selection)
    }
  }
}
