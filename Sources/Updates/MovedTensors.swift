// SPDX-License-Identifier: Apache-2.0
public import Tensors

/// Which tensors steps along directions move: the same in each, or one part after the other.
public struct MovedTensors: Hashable, Sendable {
  /// One for each turn; nil for all tensors.
  private let turns: [TensorSelection?]

  /// All tensors, in every step.
  public static let all = MovedTensors(turns: [nil])

  /// The same tensors in every step.
  public init(_ selection: TensorSelection?) { self.init(turns: [selection]) }

  /// Those of the first selection in step 0, of the second in step 1 and so on, and over again.
  ///
  /// - Precondition: there is one.
  public init(inTurn selections: [TensorSelection]) {
    precondition(!selections.isEmpty, "tensors in no turn")
    self.init(turns: selections)
  }

  private init(turns: [TensorSelection?]) { self.turns = turns }

  /// The tensors that a step moves; nil for all.
  public func selection(atStep step: UInt32) -> TensorSelection? {
    turns[Int(step) % turns.count]
  }

  /// Steps with what they move, those together that move the same.
  ///
  /// What moves a tensor stays in order.
  func groups(of steps: [DirectionStep]) -> [(selection: TensorSelection?, steps: [DirectionStep])]
  {
    turns.indices.map { turn in
      (turns[turn], steps.filter { Int($0.step) % turns.count == turn })
    }
  }
}

extension ParameterVector {
  /// Adds what steps come to, each to the tensors that it moves, in their order.
  mutating func add(
    _ steps: [DirectionStep], along directions: Directions, to tensors: MovedTensors
  ) {
    for (selection, steps) in tensors.groups(of: steps) {
      add(steps.flatMap { $0.scaled(along: directions) }, to: selection)
    }
  }
}
