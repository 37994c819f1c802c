// SPDX-License-Identifier: Apache-2.0
import Models
import Randomness
import Tensors
import Testing
import Updates

@testable import Training

struct RateLadderTests {
  private let model: AdaptedModel
  private let examples: ExampleSet

  init() throws {
    let tiny = try TinyModel()
    model = AdaptedModel(
      base: tiny.base, lora: LoRAConfiguration(rank: 2, alpha: 4, seed: 3))
    let lines = (0..<12).map { #"{"prompt": "a \#($0) b", "completion": " \#($0 % 3)"}"# }
    examples = try exampleSet(lines.joined(separator: "\n"), tiny.tokenizer)
  }

  private func settings(rate: Double = 1) -> ZerothOrderTraining {
    ZerothOrderTraining(
      localSteps: 6, batchSize: 3, queryCount: 4, learningRate: rate, schedule: .constant)
  }

  private func ladder(heldOut: ExampleSet? = nil, steps: Int = 6) throws -> RateLadder {
    try RateLadder(
      model: model, examples: examples, heldOut: heldOut, settings: settings(), stepCount: steps,
      seed: Seed(5))
  }

  @Test func everyRungIsWhatTheTrainerDoesWithThatRate() throws {
    var losses: [Double: [Double?]] = [:]
    let report = try ladder(heldOut: examples).run([3e-3, 1e-3]) {
      if case .step(_, let rate, let loss) = $0 { losses[rate, default: []].append(loss) }
    }
    #expect(report.rungs.map(\.learningRate) == [1e-3, 3e-3] && report.untried.isEmpty)
    #expect(report.isHeldOut && report.exampleCount == 12)
    let computer = LossComputer(model: model, adapterCount: 1)
    let batch = TokenBatch(examples.examples)
    let start = model.initialAdapter()
    func loss(_ adapter: ParameterVector) -> Double {
      computer.losses(of: batch, count: 1) { _ in adapter }[0]
    }
    #expect(abs(report.lossBefore - loss(start)) < 1e-5)
    for rung in report.rungs {
      var expected: [Double?] = []
      let result = try ZerothOrderTrainer(
        model: model, examples: examples, settings: settings(rate: rung.learningRate),
        totalVersions: 1, seed: Seed(5), directions: Directions(of: Seed(5))
      ).train(from: start, version: 0) { expected.append($0.estimate.loss) }
      // The first step's losses were computed once for all: with the same bits.
      #expect(losses[rung.learningRate] == expected && rung.stepCount == 6)
      #expect(rung.figures == result.diagnostics.figures)
      let after = try #require(rung.lossAfter)
      #expect(abs(after - loss(result.adapter)) < 1e-5)
      #expect(abs(try #require(rung.measuredDecrease) * 6 - (report.lossBefore - after)) < 1e-9)
    }
  }

  @Test func aHopelessRateEndsTheLadderAndTheProposalLiesBelowIt() throws {
    let rates = [1e-7, 1e-2, 30, 100, 300]
    let report = try ladder(heldOut: examples, steps: 12).run(rates)
    #expect(report.proposal == 1e-2)
    #expect(report.untried == [100, 300] && !report.isHighestBest, "\(report.rungs)")
    #expect(try #require(report.rungs[0].lossAfter) < 1.001 * report.lossBefore)
    let upTo = try ladder(heldOut: examples, steps: 12).run(Array(rates.prefix(2)))
    #expect(upTo.isHighestBest)
  }

  @Test func aRateWithoutFiniteLossesIsGivenUp() throws {
    let report = try ladder().run([900, 1000])
    #expect(
      report.rungs.allSatisfy { $0.lossAfter == nil || $0.lossAfter ?? 0 > report.lossBefore })
    #expect(report.proposal == nil && !report.isHighestBest && report.untried == [1000])
  }

  @Test func measuringIsDoneBehindWhatIsLearned() throws {
    #expect(try ladder(steps: 2).run([1e-3]).isHeldOut == false)
    let few = try RateLadder(
      model: model, examples: examples, heldOut: nil, measuredCount: 6, settings: settings(),
      stepCount: 2, seed: Seed(5))
    let report = try few.run([1e-3])
    #expect(report.isHeldOut && report.exampleCount == 6)
  }

  @Test func theProposalIsTheLowestOfThoseThatAreAboutTheBest() throws {
    func report(_ losses: [Double?]) throws -> RateLadder.Report {
      let figures = GradientDiagnostics(valueCount: 1, rule: .sgd).figures
      return RateLadder.Report(
        lossBefore: 10, exampleCount: 1, isHeldOut: true,
        rungs: losses.enumerated().map {
          RateLadder.Rung(
            learningRate: Double($0 + 1), stepCount: 1, isStopped: $1 == nil, lossAfter: $1,
            measuredDecrease: nil, figures: figures)
        }, untried: [])
    }
    #expect(try report([9.9, 9, 8.05, 8, nil]).proposal == 3)
    #expect(try report([9.9, 9, 8.3, 8, nil]).proposal == 4)
    #expect(try report([10, 11, nil]).proposal == nil)
    #expect(try report([nil]).proposal == nil)
    #expect(try report([9, 8]).isHighestBest && !report([8, 9]).isHighestBest)
    #expect(try !report([10, 11]).isHighestBest)
  }

  @Test func ratesAreHalfDecades() {
    #expect(
      RateLadder.rates(around: 4e-4) == [4e-5, 1.3e-4, 4e-4, 1.3e-3, 4e-3, 1.3e-2, 4e-2])
  }

  @Test func whatIsNoRateIsRefusedAndProgressMayEndIt() throws {
    #expect(throws: TrainingError.self) { try ladder().run([1e-3, .nan]) }
    #expect(throws: TrainingError.self) { try ladder().run([-1]) }
    struct Enough: Error {}
    #expect(throws: Enough.self) { try ladder().run([1e-3]) { _ in throw Enough() } }
  }
}
