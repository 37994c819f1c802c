// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Updates

@testable import Training

/// Where everything is known: a loss whose halves are the same quadratic, seen from two places.
struct GradientDiagnosticsTests {
  private let estimator = GradientEstimator(.twoSided, perturbation: 0x1p-6)

  /// The slopes at x along some directions: the halves' losses are those at x and at x + shift.
  private func slopes(
    _ quadratic: Quadratic, at x: [Double], shift: Double, _ directions: [[Double]]
  ) -> [QuerySlope] {
    let places = [x, x.map { $0 + shift }]
    let losses = places.map { place -> [Double] in
      let step = quadratic.losses(at: place, estimator, directions: directions)
      return step.queries.flatMap { [$0.along, $0.against ?? .nan] }
    }
    return estimator.slopes(
      zip(losses[0], losses[1]).map {
        BatchLoss(mean: ($0 + $1) / 2, halves: BatchLoss.Halves(first: $0, second: $1))
      }, for: directions.indices.map { UInt32($0) })
  }

  private func step(
    _ slopes: [QuerySlope], rule: UpdateRule = .sgd, rate: Double = 1e-3, loss: Double? = 1,
    number: UInt32 = 0, dropped: Int = 0
  ) -> GradientDiagnostics.Step {
    let scalars = slopes.map { ProjectedGradient(query: $0.query, value: $0.slope) }
    return GradientDiagnostics.Step(
      slopes: slopes, taken: rule.step(number, for: scalars, learningRate: rate),
      learningRate: rate, loss: loss, droppedCount: dropped)
  }

  @Test(arguments: 2...10) func normsAndAgreementAreRightOnAverage(dimensions: Int) throws {
    let quadratic = Quadratic(dimensions: dimensions)
    let x = (0..<dimensions).map { Double($0) / 4 - 1 }
    let first = quadratic.gradient(x)
    let second = quadratic.gradient(x.map { $0 + 0.5 })
    let whole = zip(first, second).map { ($0 + $1) / 2 }
    let product = zip(first, second).reduce(0) { $0 + $1.0 * $1.1 }
    // One step for each of all directions there are: the means are expectations.
    let all = allSigns(dimensions: dimensions)
    var diagnostics = GradientDiagnostics(valueCount: dimensions, rule: .sgd)
    diagnostics.note(step(slopes(quadratic, at: x, shift: 0.5, all), rate: 0.01))
    let figures = diagnostics.figures
    let scale = max(1, square(first) + square(second))
    #expect(abs(try #require(figures.squaredNorm) - square(whole)) < 1e-9 * scale)
    #expect(abs(try #require(figures.sharedSquaredNorm) - product) < 1e-9 * scale)
    let agreement = product / (square(first) * square(second)).squareRoot()
    #expect(abs(try #require(figures.agreement) - agreement) < 1e-9)
    // What a step gains on all of the data is what the halves share.
    let share = try #require(figures.share)
    let predicted = try #require(figures.predictedDecrease)
    let expected = 0.01 * square(whole) * max(product / square(whole), 2 * share.error)
    #expect(abs(predicted - expected) < 1e-6 * abs(expected))
    #expect(figures.queryCount == all.count)
    #expect(figures.directionRatio == Double(all.count) / Double(dimensions - 1))
  }

  @Test func halvesThatAgreeWhollyShareAllAndOppositeOnesNothing() throws {
    var (same, opposite, none) = (
      GradientDiagnostics(valueCount: 5, rule: .sgd),
      GradientDiagnostics(valueCount: 5, rule: .sgd),
      GradientDiagnostics(valueCount: 5, rule: .sgd)
    )
    for slope in [1.0, -2, 3, 0.5] {
      let halves = BatchLoss.Halves(first: slope, second: slope)
      same.note(step([QuerySlope(query: 0, slope: slope, halves: halves)]))
      let others = BatchLoss.Halves(first: slope + 1, second: -slope + 1)
      opposite.note(step([QuerySlope(query: 0, slope: 1, halves: others)]))
      none.note(step([QuerySlope(query: 0, slope: slope)]))
    }
    #expect(same.figures.agreement == 1 && same.figures.share?.value == 1)
    #expect(try #require(opposite.figures.agreement) < 0)
    let share = try #require(opposite.figures.share)
    #expect(share.value == 2 * share.error)
    #expect(none.figures.agreement == nil && none.figures.sharedSquaredNorm == nil)
    #expect(none.figures.predictedDecrease == same.figures.predictedDecrease)
  }

  @Test func theErrorOfTheSquaredNormIsThatOfAMean() throws {
    var diagnostics = GradientDiagnostics(valueCount: 3, rule: .sgd)
    diagnostics.note(step([QuerySlope(query: 0, slope: 2)]))
    #expect(diagnostics.figures.squaredNorm == 4 && diagnostics.figures.squaredNormError == nil)
    diagnostics.note(step([QuerySlope(query: 0, slope: -1), QuerySlope(query: 1, slope: 3)]))
    // Of 4, 1 and 9: 14 / 3, with a variance of 49 / 3.
    let figures = diagnostics.figures
    #expect(abs(try #require(figures.squaredNorm) - 14.0 / 3) < 1e-12)
    #expect(abs(try #require(figures.squaredNormError) - 7.0 / 3) < 1e-12)
    #expect(figures.directionRatio == 0.75)
  }

  @Test func whatIsPredictedIsWhatTheStepTakenGains() throws {
    let slopes = [QuerySlope(query: 0, slope: 3), QuerySlope(query: 1, slope: -1)]
    func predicted(_ rule: UpdateRule, _ steps: [GradientDiagnostics.Step]) -> Double? {
      var diagnostics = GradientDiagnostics(valueCount: 3, rule: rule)
      for step in steps { diagnostics.note(step) }
      return diagnostics.figures.predictedDecrease
    }
    func near(_ found: Double?, _ expected: Double) -> Bool {
      found.map { abs($0 - expected) < 1e-6 * expected } ?? false
    }
    #expect(near(predicted(.sgd, [step(slopes, rate: 0.5)]), 0.5 * 5))
    #expect(near(predicted(.sign, [step(slopes, rule: .sign, rate: 0.5)]), 0.5 * 2))
    let rule = UpdateRule.momentum(beta: 0.5)
    let once = step(slopes, rule: rule, rate: 0.5)
    // The second step goes by 1.5 times the gradient.
    #expect(near(predicted(rule, [once, once]), 0.5 * 5 * 1.25))
    #expect(predicted(.adam(), [step(slopes, rule: .adam())]) == nil)
    // A query that the clip shortened, and one that was left out of what was taken.
    var clipped = step(slopes, rate: 0.5)
    clipped.taken = UpdateRule.sgd.step(
      0, for: [ProjectedGradient(query: 0, value: 1)], learningRate: 0.5)
    #expect(near(predicted(.sgd, [clipped]), 0.5 * 3))
  }

  @Test func queriesWithoutANumberAreCountedAndAreNotZero() throws {
    let losses = [1.0, .nan, 3, 1, .infinity, 1, 1e308, -1e308].map {
      BatchLoss(mean: $0, halves: nil)
    }
    let slopes = estimator.slopes(losses, for: [0, 1, 2, 3])
    #expect(slopes.map(\.query) == [1, 3])
    var diagnostics = GradientDiagnostics(valueCount: 3, rule: .sgd)
    for number in 0..<4 {
      diagnostics.note(
        step([slopes[0]], rate: 1e-3, loss: number == 2 ? .nan : 1, dropped: 2))
    }
    diagnostics.note(step([slopes[1]], rate: 1e-3, loss: nil, dropped: 2))
    let figures = diagnostics.figures
    #expect(figures.droppedCount == 10 && figures.notFiniteCount == 1 && figures.queryCount == 4)
    #expect(figures.squaredNorm == slopes[0].slope * slopes[0].slope)
    #expect(figures.predictedDecrease?.isFinite == true)
    #expect(try !JSONEncoder().encode(figures).isEmpty)
    // Most are lost: a tenth of the rate, whatever the others say.
    #expect(diagnostics.advice?.change == .lower && diagnostics.advice?.proposal == 1e-4)
    #expect(diagnostics.isWarning && diagnostics.line.contains("10 dropped, 1 not finite"))
  }

  @Test func aWindowOfNothingOrOfZerosHasNoRatios() throws {
    var diagnostics = GradientDiagnostics(valueCount: 3, rule: .sgd)
    #expect(diagnostics.figures.squaredNorm == nil && diagnostics.advice == nil)
    #expect(!diagnostics.isWarning && diagnostics.line.contains("gradient unknown"))
    let zero = QuerySlope(query: 0, slope: 0, halves: BatchLoss.Halves(first: 0, second: 0))
    for number in 0..<60 { diagnostics.note(step([zero, zero], loss: number % 2 == 0 ? 3 : 4)) }
    let figures = diagnostics.figures
    #expect(figures.squaredNorm == 0 && figures.squaredNormError == 0)
    #expect(figures.agreement == nil && figures.share == nil && figures.ratio == nil)
    #expect(figures.predictedDecrease == 0 && diagnostics.advice == nil)
    #expect(try #require(figures.measuredDecrease).magnitude < 0.01)
    #expect(try !JSONEncoder().encode(figures).isEmpty)
  }

  @Test func onlyTheLastStepsCount() throws {
    var (long, short) = (
      GradientDiagnostics(valueCount: 3, rule: .sgd), GradientDiagnostics(valueCount: 3, rule: .sgd)
    )
    for number in 0..<80 {
      let step = step(
        [QuerySlope(query: 0, slope: Double(number))], loss: Double(80 - number),
        dropped: number % 2)
      long.note(step)
      if number >= 30 { short.note(step) }
    }
    #expect(long == short && long.figures.stepCount == 50 && long.figures.droppedCount == 25)
    let copy = try JSONDecoder().decode(
      GradientDiagnostics.self, from: JSONEncoder().encode(long))
    #expect(copy == long && copy.figures == long.figures)
  }

  @Test func versionsFollowEachOtherAndWhatOthersDidIsLeftOut() throws {
    // 5 versions of 12 steps, each of which gains 1; between versions the loss jumps up.
    var all = GradientDiagnostics(valueCount: 3, rule: .sgd)
    for version in 0..<5 {
      var own = GradientDiagnostics(valueCount: 3, rule: .sgd)
      for number in 0..<12 {
        let loss = Double(100 + 20 * version - number)
        own.note(step([QuerySlope(query: 0, slope: 1)], rate: 1, loss: loss))
      }
      all = own.following(all)
    }
    let figures = all.figures
    #expect(figures.stepCount == 50 && all.lossesByVersion.map(\.count) == [2, 12, 12, 12, 12])
    #expect(abs(try #require(figures.measuredDecrease) - 1) < 1e-9)
    #expect(all.advice?.change == .raise)
    // Versions of a single step have no trend.
    var single = GradientDiagnostics(valueCount: 3, rule: .sgd)
    for number in 0..<20 {
      var own = GradientDiagnostics(valueCount: 3, rule: .sgd)
      own.note(step([QuerySlope(query: 0, slope: 1)], rate: 1, loss: Double(number)))
      single = own.following(single)
    }
    #expect(single.figures.stepCount == 20 && single.figures.squaredNorm == 1)
    #expect(single.figures.measuredDecrease == nil && single.advice == nil)
  }

  @Test func slopesOfOneSideAreForwardDifferences() {
    let fzoo = GradientEstimator(.oneSided, perturbation: 0.5)
    let losses = [2.0, 3, 1].map {
      BatchLoss(mean: $0, halves: BatchLoss.Halves(first: $0, second: 2 * $0))
    }
    #expect(
      fzoo.slopes(losses, for: [4, 7]) == [
        QuerySlope(query: 4, slope: 2, halves: BatchLoss.Halves(first: 2, second: 4)),
        QuerySlope(query: 7, slope: -2, halves: BatchLoss.Halves(first: -2, second: -4)),
      ])
    let unknown = [BatchLoss(mean: .nan, halves: nil)] + losses.dropFirst()
    #expect(fzoo.slopes(unknown, for: [4, 7]).isEmpty)
  }
}
