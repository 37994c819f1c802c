// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Randomness
import Tensors
import Testing

@testable import Training

struct GradientTrainerTests {
  @Test(arguments: TinyModel.names)
  func lossesAndAdapterAreAsInTorch(_ name: String) throws {
    let tiny = try TinyModel(name)
    let model = try tiny.adapted()
    let examples = tiny.goldenExamples()
    let trainer = try GradientTrainer(
      model: model, examples: examples,
      settings: GradientTraining(
        localSteps: 3, batchSize: 2, learningRate: 1e-2, schedule: .constant, weightDecay: 0.01,
        gradientClip: nil),
      totalVersions: 1, seed: Seed(5))
    var losses: [Double] = []
    let start = model.initialAdapter()
    let result = try trainer.train(from: start, version: 0) { losses.append($0.loss) }
    var trained = start
    trained.add(result.delta)
    losses.append(try Evaluator(model: model, examples: examples).evaluate(trained).loss)

    for (loss, golden) in zip(losses, try tiny.goldenLosses()) {
      #expect(abs(loss - golden) < 1e-4 * golden)
    }
    #expect(losses.count == 4)
    #expect(abs(result.loss - losses[..<3].reduce(0, +) / 3) < 1e-9)
    #expect(result.exampleCount == 2)
    let golden = try tiny.goldenAdapter(model.layout).values
    let largest = golden.map(abs).max() ?? 0
    #expect(zip(trained.values, golden).allSatisfy { abs($0 - $1) < 2e-3 * largest })
  }

  /// What bfloat16 rounds away is noise beside that of the data.
  @Test(arguments: [TinyModel.names[0], "qwen3"], [nil, BFloat16Unit.available ?? .plain])
  func trainingInBFloat16ReachesTheSameLoss(_ name: String, unit: BFloat16Unit?) throws {
    let tiny = try TinyModel(name)
    func loss(in arithmetic: ProductArithmetic) throws -> (before: Double, after: Double) {
      let model = try AdaptedModel(
        base: tiny.base.computing(in: arithmetic),
        adapter: PEFTAdapter(folder: "\(tiny.folder)/adapter"))
      let trainer = try GradientTrainer(
        model: model, examples: tiny.goldenExamples(),
        settings: GradientTraining(
          localSteps: 25, batchSize: 2, learningRate: 1e-2, schedule: .constant),
        totalVersions: 1, seed: Seed(5))
      var losses: [Double] = []
      _ = try trainer.train(from: model.initialAdapter(), version: 0) { losses.append($0.loss) }
      return (losses[0], losses[losses.count - 1])
    }
    let (exact, rounded) = (try loss(in: .float32), try loss(in: .bfloat16(unit)))
    #expect(exact.after < exact.before / 4)
    #expect(abs(rounded.after - exact.after) < 0.02 * exact.before)
    #expect(rounded.after != exact.after)
  }

  @Test func theResultIsAFunctionOfTheArguments() throws {
    let trainer = try makeTrainer()
    let start = trainer.start
    let first = try trainer.trainer.train(from: start, version: 2)
    _ = try trainer.trainer.train(from: start, version: 0)
    #expect(try trainer.trainer.train(from: start, version: 2).delta == first.delta)
    #expect(try makeTrainer().trainer.train(from: start, version: 2).delta == first.delta)
    #expect(try makeTrainer(seed: 8).trainer.train(from: start, version: 2).delta != first.delta)
    #expect(try trainer.trainer.train(from: start, version: 1).delta != first.delta)
  }

  @Test func whatIsLearnedDoesNotDependOnWhatIsComputedTwice() throws {
    let whole = try makeTrainer()
    let delta = try whole.trainer.train(from: whole.start, version: 1).delta
    for count in 1...3 {
      let twice = try makeTrainer(recomputing: count).trainer
      #expect(try twice.train(from: whole.start, version: 1).delta == delta)
    }
  }

  @Test func batchesAreNoLargerThanSaid() {
    let examples = ExampleSet(
      [(9, 3), (4, 0), (6, 5)].map { count, prompt in
        Example(tokens: [Int32](repeating: 7, count: count), promptCount: prompt)
      })
    #expect(
      examples.largestBatch(of: 2)
        == BatchExtent(tokenCount: 13, targetRowCount: 9, longestSequence: 8))
    #expect(
      examples.largestBatch(of: 4)
        == BatchExtent(tokenCount: 32, targetRowCount: 20, longestSequence: 8))
  }

  @Test func reportsFollowTheRunsSchedule() throws {
    let made = try makeTrainer(warmup: 3)
    var reports: [StepReport] = []
    for version in 0..<4 {
      _ = try made.trainer.train(from: made.start, version: version) { reports.append($0) }
    }
    #expect(reports.map(\.step) == [1, 2, 1, 2, 1, 2, 1, 2])
    #expect(reports.allSatisfy { $0.stepCount == 2 && $0.gradientNorm > 0 && $0.loss > 0 })
    let settings = GradientTraining(localSteps: 2, learningRate: 1e-3, warmup: 3)
    #expect(
      reports.map(\.learningRate) == (0..<8).map { settings.learningRate(atStep: $0, of: 8) })
  }

  @Test func theVersionsGoThroughAllExamplesBeforeOneComesAgain() throws {
    // Three examples of different lengths, two a batch: the token counts tell which were taken.
    let tiny = try TinyModel()
    let examples = ExampleSet(
      [2, 3, 5].map { count in
        Example(tokens: [Int32](repeating: 7, count: count + 1), promptCount: 1)
      })
    let trainer = try GradientTrainer(
      model: tiny.adapted(), examples: examples,
      settings: GradientTraining(localSteps: 1, batchSize: 1), totalVersions: 6, seed: Seed(1))
    let counts = try (0..<6).map {
      try trainer.train(from: tiny.adapted().initialAdapter(), version: $0).tokenCount
    }
    #expect(counts[..<3].sorted() == [2, 3, 5])
    #expect(counts[3...].sorted() == [2, 3, 5])
  }

  @Test func aClippedGradientIsReportedAtItsFullNorm() throws {
    func norms(clip: Double?) throws -> [Double] {
      let made = try makeTrainer(clip: clip)
      var norms: [Double] = []
      _ = try made.trainer.train(from: made.start, version: 0) { norms.append($0.gradientNorm) }
      return norms
    }
    let free = try norms(clip: nil)
    #expect(try norms(clip: free[0] / 2)[0] == free[0])
    #expect(try norms(clip: free[0] / 2)[1] != free[1])
    #expect(try norms(clip: free.reduce(0, +) * 2) == free)
  }

  @Test func whatProgressThrowsEndsTheTraining() throws {
    struct Enough: Error {}
    let made = try makeTrainer()
    var callCount = 0
    #expect(throws: Enough.self) {
      try made.trainer.train(from: made.start, version: 0) { _ in
        callCount += 1
        throw Enough()
      }
    }
    #expect(callCount == 1)
  }

  @Test func aStartThatIsNotFiniteIsRefusedWithItsStep() throws {
    let made = try makeTrainer()
    var start = made.start
    start.values[0] = .nan
    #expect(throws: TrainingError.notFinite(what: "the loss", version: 1, step: 1)) {
      try made.trainer.train(from: start, version: 1)
    }
  }

  @Test func aRateThatDivergesIsRefusedWithItsStep() throws {
    let tiny = try TinyModel()
    let trainer = try GradientTrainer(
      model: tiny.adapted(), examples: tiny.goldenExamples(),
      settings: GradientTraining(
        localSteps: 3, batchSize: 2, learningRate: 1e30, schedule: .constant),
      totalVersions: 1, seed: Seed(1))
    var steps: [Int] = []
    do {
      _ = try trainer.train(from: tiny.adapted().initialAdapter(), version: 0) {
        steps.append($0.step)
      }
      Issue.record("nothing was thrown")
    } catch TrainingError.notFinite(_, 0, let step) {
      #expect(step == (steps.last ?? 0) + 1)
    }
  }

  @Test func settingsAndTokensAreChecked() throws {
    let tiny = try TinyModel()
    #expect(throws: TrainingError.self) {
      try GradientTrainer(
        model: tiny.adapted(), examples: tiny.goldenExamples(),
        settings: GradientTraining(batchSize: 0), totalVersions: 1, seed: Seed(1))
    }
    #expect(
      throws: TrainingError.tokenOutsideVocabulary(
        file: "examples", line: 0, token: 512, vocabularySize: 512)
    ) {
      try GradientTrainer(
        model: tiny.adapted(), examples: ExampleSet([Example(tokens: [1, 512], promptCount: 1)]),
        settings: GradientTraining(), totalVersions: 1, seed: Seed(1))
    }
  }

  @Test func moreTokensThanPositionsAreRefused() throws {
    let tiny = try TinyModel("opt")
    let long = ExampleSet([Example(tokens: [Int32](repeating: 1, count: 95), promptCount: 1)])
    let expected = TrainingError.sequenceTooLong(
      file: "examples", line: 0, tokenCount: 95, positionCount: 94)
    #expect(throws: expected) {
      try GradientTrainer(
        model: tiny.adapted(), examples: long, settings: GradientTraining(), totalVersions: 1,
        seed: Seed(1))
    }
    #expect(throws: expected) { try Evaluator(model: tiny.adapted(), examples: long) }
  }

  private func makeTrainer(
    seed: UInt64 = 7, warmup: Int = 0, clip: Double? = 1, recomputing: Int = 0
  ) throws -> (trainer: GradientTrainer, start: ParameterVector) {
    let tiny = try TinyModel()
    let lines = ["to be", "or not", "that is", "the question", "of this"].map {
      #"{"prompt": "\#($0)", "completion": " \#($0) again"}"#
    }
    let model = AdaptedModel(
      base: tiny.base,
      lora: LoRAConfiguration(
        rank: 2, alpha: 4, targets: Projection.allCases, factors: .b, seed: 3))
    let trainer = try GradientTrainer(
      model: model, examples: exampleSet(lines.joined(separator: "\n"), tiny.tokenizer),
      settings: GradientTraining(
        localSteps: 2, batchSize: 2, learningRate: 1e-3, warmup: warmup, gradientClip: clip),
      totalVersions: 4, seed: Seed(seed), recomputing: recomputing)
    return (trainer, model.initialAdapter())
  }
}
