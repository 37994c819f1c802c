// SPDX-License-Identifier: Apache-2.0
import Models
import Randomness
import Tensors
import Testing

@testable import Training

struct ObjectiveTests {
  private let model: AdaptedModel

  init() throws {
    model = AdaptedModel(
      base: try TinyModel().base, lora: LoRAConfiguration(rank: 2, alpha: 4, seed: 3))
  }

  /// Sequences with two, no, three and one target.
  private let batch = TokenBatch(sequences: [
    ([1, 2, 3, 4], 2), ([5, 6], 2), ([7, 8, 9, 10], 1), ([11, 12], 1),
  ])

  private func scores(_ right: [Bool], lost: Int? = nil) -> [TargetScore] {
    right.enumerated().map { index, isRight in
      TargetScore(
        token: Int32(index), logProbability: index == lost ? .nan : -Double(index) - 1,
        likeliest: Int32(isRight ? index : 100 + index))
    }
  }

  @Test func eachCountsWhatItsNameSays() {
    let scores = scores([true, true, true, false, true, false])
    #expect(Objective.crossEntropy.terms(of: scores, in: batch) == [1, 2, 3, 4, 5, 6])
    #expect(Objective.accuracy.terms(of: scores, in: batch) == [0, 0, 0, 1, 0, 1])
    #expect(Objective.exactMatch.terms(of: scores, in: batch) == [0, 1, 1])
    #expect(Objective.f1.terms(of: scores, in: batch) == [0, 1 / 3.0, 1])
    for (objective, counts) in [
      (Objective.crossEntropy, [0, 2, 2, 5, 6, 6]), (.accuracy, [0, 2, 2, 5, 6, 6]),
      (.exactMatch, [0, 1, 1, 2, 3, 3]), (.f1, [0, 1, 1, 2, 3, 3]),
    ] {
      #expect((0...5).map { objective.termCount(of: batch, first: $0) } == counts)
    }
  }

  /// A token counts wherever it stands, and as often as it is there.
  @Test func whatIsInCommonHasNoOrder() {
    func term(_ tokens: [Int32], _ decoded: [Int32]) -> Double {
      let scores = zip(tokens, decoded).map {
        TargetScore(token: $0, logProbability: -1, likeliest: $1)
      }
      let batch = TokenBatch(sequences: [([0] + tokens, 1)])
      return Objective.f1.terms(of: scores, in: batch)[0]
    }
    #expect(term([1, 2, 3], [3, 1, 2]) == 0)
    #expect(term([1, 1, 2, 3], [1, 1, 1, 1]) == 0.5)
    #expect(term([1, 2, 2, 3], [2, 4, 4, 2]) == 0.5)
    #expect(term([1, 2], [3, 4]) == 1)
  }

  @Test(arguments: Objective.allCases)
  func whatIsNotANumberIsNoMatchAndNoMiss(objective: Objective) {
    let terms = objective.terms(
      of: scores([true, true, true, false, true, true], lost: 3), in: batch)
    #expect(terms.count(where: \.isNaN) == 1)
    #expect(terms.reduce(0, +).isNaN)
  }

  @Test(arguments: Objective.allCases)
  func halvesAndPartsAddUp(objective: Objective) throws {
    let batch = TokenBatch(
      sequences: [120, 90, 130, 70, 200, 180, 15, 190, 64].map { length in
        ((0..<length).map { Int32($0 * 7 % 60 + 1) }, max(1, length - 3))
      })
    #expect(batch.parts.count > 2)
    let start = model.initialAdapter()
    let expected = LossComputer(model: model, objective: objective, adapterCount: 1)
      .batchLosses(of: batch, count: 1) { _ in start }
    let found = LossComputer(model: model, objective: objective, threadCount: 3, adapterCount: 2)
      .batchLosses(of: batch, count: 3) { _ in start }
    #expect(found == [BatchLoss](repeating: expected[0], count: 3))
    let halves = try #require(found[0].halves)
    let first = objective.termCount(of: batch, first: 5)
    let second = objective.termCount(of: batch) - first
    let mean =
      (halves.first * Double(first) + halves.second * Double(second))
      / Double(first + second)
    #expect(abs(found[0].mean - mean) < 1e-12)
  }

  /// Completions that were decoded greedily match, one with another token in it does not: wherever
  /// it stands, decoding would have taken another way there.
  @Test func anExactMatchIsWhatGreedyDecodingWouldSay() {
    let prompts: [[Int32]] = [[1, 17, 30], [1, 44], [2, 3, 5, 7], [9, 9]]
    let decoded = prompts.map { (tokens: $0 + decode($0, count: 4), first: $0.count) }
    #expect(misses(decoded) == [0, 0, 0, 0])
    for place in 0..<4 {
      var altered = decoded
      for index in altered.indices {
        let changed = altered[index].first + place
        altered[index].tokens[changed] = (altered[index].tokens[changed] + 1) % 512
      }
      let expected = altered.map { sequence -> Double in
        let prompt = Array(sequence.tokens[..<sequence.first])
        return decode(prompt, count: 4).elementsEqual(sequence.tokens[sequence.first...]) ? 0 : 1
      }
      #expect(expected == [1, 1, 1, 1] && misses(altered) == expected)
    }
  }

  /// What is decoded goes on from what was decoded, and not from what is asked for.
  @Test func f1IsOfWhatGreedyDecodingSays() {
    let prompts: [[Int32]] = [[1, 17, 30], [1, 44], [2, 3, 5, 7], [9, 9]]
    var stream = RandomStream(Seed(6))
    var sequences = prompts.map { (tokens: $0 + decode($0, count: 6), first: $0.count) }
    for index in sequences.indices {
      for place in [0, 2, 3, 5].prefix(index + 1) {
        sequences[index].tokens[sequences[index].first + place] = Int32(
          stream.integer(below: 512))
      }
    }
    let expected = sequences.map { sequence -> Double in
      let completion = sequence.tokens[sequence.first...]
      var rest = decode(Array(sequence.tokens[..<sequence.first]), count: completion.count)
      let missing = completion.filter { token in
        guard let index = rest.firstIndex(of: token) else { return true }
        rest.remove(at: index)
        return false
      }
      return Double(missing.count) / Double(completion.count)
    }
    #expect(expected.allSatisfy { $0 > 0 } && Set(expected).count > 1, "\(expected)")
    #expect(losses(sequences, .f1) == expected)
    let together = LossComputer(model: model, objective: .f1, adapterCount: 2).losses(
      of: TokenBatch(sequences: sequences), count: 3
    ) { [model] _ in model.initialAdapter() }
    let mean = expected.reduce(0, +) / 4
    #expect(together.allSatisfy { abs($0 - mean) < 1e-12 })
  }

  /// The tokens that greedy decoding puts after `prompt`.
  private func decode(_ prompt: [Int32], count: Int) -> [Int32] {
    var tokens = prompt
    for _ in 0..<count {
      let values = nextLogProbabilities(after: tokens)
      tokens.append(Int32(values.indices.max { values[$0] < values[$1] } ?? 0))
    }
    return Array(tokens[prompt.count...])
  }

  private func misses(_ sequences: [(tokens: [Int32], first: Int)]) -> [Double] {
    losses(sequences, .exactMatch)
  }

  /// The loss of each sequence.
  private func losses(
    _ sequences: [(tokens: [Int32], first: Int)], _ objective: Objective
  ) -> [Double] {
    let computer = LossComputer(model: model, objective: objective, adapterCount: 1)
    return sequences.map { sequence in
      computer.losses(of: TokenBatch(sequences: [sequence]), count: 1) { [model] _ in
        model.initialAdapter()
      }[0]
    }
  }

  /// A number that counts has no gradient, and is learned all the same: of eight prompts none is
  /// followed by what is asked for, which is the second likeliest, and then most are.
  @Test(arguments: [Objective.accuracy, .exactMatch, .f1])
  func whatOnlyCountsIsLearned(objective: Objective) throws {
    let examples = ExampleSet(
      (Int32(0)..<8).map { index -> Example in
        let prompt: [Int32] = [1, 17 * index + 3, 40 * index + 5]
        return Example(tokens: prompt + [secondLikeliest(after: prompt)], promptCount: 3)
      })
    let settings = ZerothOrderTraining(
      localSteps: 30, batchSize: 8, queryCount: 16, learningRate: 0.05, objective: objective,
      estimator: GradientEstimator(.twoSided, perturbation: 0.05))
    let trainer = try ZerothOrderTrainer(
      model: model, examples: examples, settings: settings, totalVersions: 1, seed: Seed(5),
      directions: Directions(key: 7))
    let start = model.initialAdapter()
    let result = try trainer.train(from: start, version: 0)
    let losses = LossComputer(model: model, objective: objective, adapterCount: 2).losses(
      of: TokenBatch(examples.examples[...]), count: 2
    ) { [start, result.adapter][$0] }
    #expect(losses[0] == 1 && losses[1] <= 0.5, "\(losses)")
  }

  private func secondLikeliest(after prompt: [Int32]) -> Int32 {
    let values = nextLogProbabilities(after: prompt)
    return Int32(values.indices.sorted { values[$0] > values[$1] }[1])
  }

  private func nextLogProbabilities(after tokens: [Int32]) -> [Float] {
    var workspace = model.makeWorkspace()
    let targets = (0..<Int32(512)).map {
      TokenBatch.Target(position: tokens.count - 1, token: $0)
    }
    let batch = TokenBatch(tokens: tokens, sequenceLengths: [tokens.count], targets: targets)
    return model.logProbabilities(of: batch, adapter: model.initialAdapter(), in: &workspace)
  }
}
