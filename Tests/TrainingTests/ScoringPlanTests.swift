// SPDX-License-Identifier: Apache-2.0
import Models
import Randomness
import Testing

@testable import Training

struct ScoringPlanTests {
  /// What a log-probability is asked of: a token after all those before it.
  private struct Question: Hashable {
    var before: [Int32]
    var token: Int32
  }

  @Test func choicesOfOneTokenNeedOnlyThePrompt() {
    let plan = ScoringPlan([example([1, 2, 3], [7], choices: [[5], [7], [9]])])
    #expect(plan.sequences.map(\.tokens) == [[1, 2, 3]])
    #expect(plan.sequences[0].targets.map(\.position) == [2, 2, 2])
    #expect(plan.sequences[0].targets.map(\.token) == [5, 7, 9])
    #expect(plan.slotCount == 3)
    #expect(plan.examples[0].completion == plan.examples[0].choices[1])
  }

  @Test func aPathThatBeginsAnotherSharesItsSequence() {
    let choices: [[Int32]] = [[4], [5, 6, 7], [5, 6], [8, 6], [5, 9]]
    let plan = ScoringPlan([example([1], [5, 6], choices: choices)])
    #expect(Set(plan.sequences.map(\.tokens)) == [[1, 5, 6], [1, 8]])
    #expect(questions(of: plan)[0].count == 6)
  }

  @Test func aTextIsPredictedFromItsSecondToken() {
    let plan = ScoringPlan([Example(tokens: [3, 4, 5], promptCount: 0)])
    #expect(plan.sequences.map(\.tokens) == [[3, 4]])
    #expect(
      questions(of: plan)[0][0] == [
        Question(before: [3], token: 4), Question(before: [3, 4], token: 5),
      ])
  }

  @Test func everyTokenIsAskedForAfterThoseBeforeIt() {
    var stream = RandomStream(Seed(2))
    func tokens(_ count: Int) -> [Int32] {
      (0..<count).map { _ in Int32(stream.integer(below: 3)) }
    }
    let examples = (0..<300).map { _ in
      let choices = (0...stream.integer(below: 6)).map { _ in
        tokens(1 + stream.integer(below: 4))
      }
      let answer = stream.integer(below: choices.count)
      return example(tokens(1 + stream.integer(below: 3)), choices[answer], choices: choices)
    }
    let plan = ScoringPlan(examples)
    for (example, asked) in zip(examples, questions(of: plan)) {
      let prompt = Array(example.tokens[..<example.promptCount])
      let completions =
        [Array(example.tokens[example.promptCount...])] + (example.choices?.completions ?? [])
      #expect(
        asked
          == completions.map { completion in
            completion.indices.map {
              Question(before: prompt + completion[..<$0], token: completion[$0])
            }
          })
    }
  }

  @Test func noPathIsRunTwiceNorAsTheBeginningOfAnother() {
    let choices: [[Int32]] = [[1, 2, 3], [1, 2, 4], [1, 2], [1], [2, 2], [1, 2, 3]]
    let plan = ScoringPlan([example([9], [1, 2], choices: choices)])
    let runs = plan.sequences.map(\.tokens)
    for (index, run) in runs.enumerated() {
      for (other, longer) in runs.enumerated() where other != index {
        #expect(!longer.starts(with: run))
      }
    }
  }

  @Test func targetsAscendAsBatchesNeed() {
    let plan = ScoringPlan([example([1, 1], [5, 6, 7], choices: [[5], [5, 6, 7], [5, 2], [9]])])
    for sequence in plan.sequences {
      let positions = sequence.targets.map(\.position)
      #expect(positions == positions.sorted())
      #expect(positions.allSatisfy(sequence.tokens.indices.contains))
    }
  }

  @Test func batchesStayWithinTheBudgetAndHoldEverySequence() {
    let lengths = [3, 9, 30, 1, 8, 8, 2, 5, 40, 1]
    let plan = ScoringPlan(
      lengths.map { Example(tokens: [Int32](repeating: 1, count: $0 + 1), promptCount: 0) })
    let batches = plan.batches(tokenBudget: 16)
    #expect(batches.allSatisfy { $0.count == 1 || $0.map(\.tokens.count).reduce(0, +) <= 16 })
    #expect(batches.joined().map(\.tokens.count) == lengths.sorted(by: >))
    #expect(Set(batches.joined().map(\.firstSlot)).count == lengths.count)
  }

  private func example(
    _ prompt: [Int32], _ completion: [Int32], choices: [[Int32]]
  ) -> Example {
    Example(
      tokens: prompt + completion, promptCount: prompt.count,
      choices: Example.Choices(
        completions: choices, answer: choices.firstIndex(of: completion) ?? -1))
  }

  /// For each example what is asked for its completion, then for each choice.
  private func questions(of plan: ScoringPlan) -> [[[Question]]] {
    var bySlot: [Int: Question] = [:]
    for sequence in plan.sequences {
      for (index, target) in sequence.targets.enumerated() {
        bySlot[sequence.firstSlot + index] = Question(
          before: Array(sequence.tokens[...target.position]), token: target.token)
      }
    }
    return plan.examples.map { slots in
      ([slots.completion] + slots.choices).map { $0.compactMap { bySlot[$0] } }
    }
  }
}
