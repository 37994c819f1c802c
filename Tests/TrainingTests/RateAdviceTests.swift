// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing
import Updates

@testable import Training

/// Descents of the quadratic, of which the best rate is known.
struct RateAdviceTests {
  private static let dimensions = 12
  private static let queryCount = 4
  private static let estimator = GradientEstimator(.twoSided, perturbation: 0x1p-6)

  /// 50 steps along random signs.
  ///
  /// - Parameter noise: what is added to the losses that are reported, from -noise to noise.
  private static func descent(
    rate: Double, seed: UInt64, noise: Double = 0
  ) -> (diagnostics: GradientDiagnostics, loss: Double) {
    let quadratic = Quadratic(dimensions: dimensions)
    var stream = RandomStream(Seed(seed))
    var x = (0..<dimensions).map { Double($0 % 5) - 2 }
    var diagnostics = GradientDiagnostics(valueCount: dimensions, rule: .sgd)
    for number in 0..<UInt32(50) {
      let directions = (0..<queryCount).map { _ in
        (0..<dimensions).map { _ in stream.next() & 1 == 0 ? 1.0 : -1 }
      }
      let estimate = estimator.estimate(
        quadratic.losses(at: x, estimator, directions: directions))
      let taken = UpdateRule.sgd.step(number, for: estimate.scalars, learningRate: rate)
      diagnostics.note(
        GradientDiagnostics.Step(
          slopes: estimate.scalars.map { QuerySlope(query: $0.query, slope: $0.value) },
          taken: taken, learningRate: rate,
          loss: quadratic.value(x) + noise * (2 * stream.unit() - 1)))
      for term in taken.terms {
        for index in x.indices {
          x[index] += Double(term.coefficient) * directions[Int(term.query)][index]
        }
      }
    }
    return (diagnostics, quadratic.value(x))
  }

  /// The rate with which the loss is the least after 50 steps, in the mean over some seeds.
  private static let bestRate = {
    var (best, least) = (0.0, Double.infinity)
    var rate = 1e-3
    while rate < 1 {
      let losses = (UInt64(0)..<8).map { descent(rate: rate, seed: $0).loss }
      let sum = losses.reduce(0, +)
      if sum < least { (best, least) = (rate, sum) }
      rate *= 1.4
    }
    return best
  }()

  @Test func aRateThatIsTooHighIsWarnedAboutAndTheProposalIsNearTheBest() throws {
    let best = Self.bestRate
    for factor in [4.0, 6, 10, 30] {
      for seed in UInt64(0)..<10 {
        let advice = try #require(
          Self.descent(rate: factor * best, seed: seed).diagnostics.advice,
          "\(factor), seed \(seed)")
        #expect(advice.change == .lower)
        #expect(advice.learningRate == factor * best)
        #expect(
          (0.33...3).contains(advice.proposal / best),
          "\(advice.proposal) for \(best) at \(factor) times, seed \(seed)")
      }
    }
  }

  @Test func aGoodRateIsNotWarnedAboutAndALowOneIsSaidToBe() {
    let best = Self.bestRate
    // Half of what is predicted is measured at the best rate, so that chance may make it less.
    let alarms = (UInt64(0)..<30).filter {
      Self.descent(rate: best, seed: $0).diagnostics.advice?.change == .lower
    }
    #expect(alarms.count <= 1, "seeds \(alarms)")
    for seed in UInt64(0)..<30 {
      let half = Self.descent(rate: best / 2, seed: seed).diagnostics.advice
      #expect(half?.change != .lower, "seed \(seed)")
      let advice = Self.descent(rate: 0.05 * best, seed: seed).diagnostics.advice
      #expect(advice?.change == .raise, "seed \(seed)")
      let proposal = advice?.proposal ?? 0
      #expect(proposal > 0.07 * best, "seed \(seed)")
      #expect(proposal < best, "seed \(seed)")
    }
  }

  @Test func noiseIsNotTakenForATrend() {
    // The loss falls by about 1 in all, and is known to 100.
    let rate = 0.001 * Self.bestRate
    let advised = (UInt64(0)..<30).filter {
      Self.descent(rate: rate, seed: $0, noise: 100).diagnostics.advice != nil
    }
    #expect(advised.count <= 4, "seeds \(advised)")
  }

  @Test func withoutAPredictionARisingLossIsWarnedAbout() {
    func advice(_ losses: [Double]) -> RateAdvice? {
      var diagnostics = GradientDiagnostics(valueCount: 3, rule: .adam())
      for loss in losses {
        diagnostics.note(
          GradientDiagnostics.Step(
            slopes: [QuerySlope(query: 0, slope: 1)],
            taken: DirectionStep(
              step: 0, terms: [DirectionTerm(query: 0, coefficient: 1)], rate: 0.02),
            learningRate: 0.02, loss: loss))
      }
      return diagnostics.advice
    }
    #expect(advice((0..<20).map { Double($0) + Double($0 % 3) })?.proposal == 0.006)
    #expect(advice((0..<20).map { -Double($0) }) == nil)
    #expect(advice((0..<20).map { Double($0 * 7 % 5) }) == nil)
    #expect(advice((0..<9).map { Double($0) }) == nil)
  }

  @Test func aHalfThatDoesNotAgreeIsNoReasonToGoFaster() {
    func advice(_ agreeing: Bool) -> RateAdvice? {
      var diagnostics = GradientDiagnostics(valueCount: 3, rule: .sgd)
      for number in 0..<20 {
        let second = agreeing || number % 2 == 0 ? 1.0 : -1
        diagnostics.note(
          GradientDiagnostics.Step(
            slopes: [
              QuerySlope(query: 0, slope: 1, halves: BatchLoss.Halves(first: 1, second: second))
            ],
            taken: DirectionStep(
              step: 0, terms: [DirectionTerm(query: 0, coefficient: -0.1)]),
            learningRate: 0.1, loss: 5 - 0.1 * Double(number)))
      }
      return diagnostics.advice
    }
    #expect(advice(true)?.change == .raise && advice(true)?.proposal == 0.3)
    #expect(advice(false) == nil)
  }
}
