// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Updates

@testable import Training

struct GradientEstimatorTests {
  private let mezo = GradientEstimator(.twoSided, perturbation: 0x1p-6)

  private func estimate(
    _ quadratic: Quadratic, at x: [Double], _ directions: [[Double]]
  ) -> [Double] {
    let estimate = mezo.estimate(quadratic.losses(at: x, mezo, directions: directions))
    return x.indices.map { index in
      zip(estimate.scalars, directions).reduce(0) { $0 + $1.0.value * $1.1[index] }
        / Double(directions.count)
    }
  }

  @Test(arguments: 1...12) func theMeanOverAllDirectionsIsTheGradient(dimensions: Int) {
    let quadratic = Quadratic(dimensions: dimensions)
    let x = (0..<dimensions).map { Double($0) / 4 - 1 }
    let gradient = quadratic.gradient(x)
    let estimates = allSigns(dimensions: dimensions).map { estimate(quadratic, at: x, [$0]) }
    for index in x.indices {
      let mean = estimates.reduce(0) { $0 + $1[index] } / Double(estimates.count)
      #expect(abs(mean - gradient[index]) < 1e-11)
    }
    let error = estimates.reduce(0) { sum, estimate in
      sum + square(zip(estimate, gradient).map { $0 - $1 })
    }
    let law = Double(dimensions - 1) * square(gradient)
    #expect(abs(error / Double(estimates.count) - law) < 1e-9 * max(1, law))
  }

  @Test(arguments: [(2, 6), (3, 4), (4, 3)])
  func itsVarianceFallsWithTheNumberOfQueries(queryCount: Int, dimensions: Int) {
    let quadratic = Quadratic(dimensions: dimensions)
    let x = (0..<dimensions).map { Double($0) / 4 - 1 }
    let gradient = quadratic.gradient(x)
    // Every choice of that many directions.
    let choices = allSigns(dimensions: queryCount * dimensions).map { signs in
      (0..<queryCount).map { Array(signs[($0 * dimensions)..<(($0 + 1) * dimensions)]) }
    }
    let error = choices.reduce(0) { sum, directions in
      sum + square(zip(estimate(quadratic, at: x, directions), gradient).map { $0 - $1 })
    }
    let law = Double(dimensions - 1) / Double(queryCount) * square(gradient)
    #expect(abs(error / Double(choices.count) - law) < 1e-9 * law)
  }

  @Test func theMeanOfTheSquaresIsTheSquareOfTheGradientsNorm() throws {
    let quadratic = Quadratic(dimensions: 8)
    let x = [Double](repeating: 0.5, count: 8)
    let estimate = mezo.estimate(
      quadratic.losses(at: x, mezo, directions: allSigns(dimensions: 8)))
    let found = try #require(estimate.squaredGradientNorm)
    #expect(abs(found / square(quadratic.gradient(x)) - 1) < 1e-9)
  }

  @Test func theLossIsThatOfBothSidesOrOfTheAdapterItself() throws {
    let losses = StepLosses(
      clean: nil,
      queries: [
        .init(query: 4, along: 5, against: 1), .init(query: 2, along: .nan, against: 9),
        .init(query: 7, along: 2, against: 4),
      ])
    #expect(mezo.estimate(losses).loss == 3)
    let curved = GradientEstimator(.curvatureWeighted, perturbation: 0.5)
    let known = StepLosses(clean: 2.5, queries: losses.queries)
    #expect(curved.estimate(known).loss == 2.5)
  }

  @Test func anOutcomeOfZeroCountsAndOneThatIsNotFiniteDoesNot() {
    let estimate = mezo.estimate(
      StepLosses(
        clean: nil,
        queries: [
          .init(query: 0, along: 2, against: 2), .init(query: 1, along: .nan, against: 2),
          .init(query: 2, along: 2, against: .infinity), .init(query: 3, along: 3, against: 2),
        ]))
    #expect(estimate.scalars.map(\.query) == [0, 3])
    #expect(estimate.scalars.map(\.value) == [0, 32])
    #expect(estimate.droppedCount == 2)
    let none = mezo.estimate(
      StepLosses(clean: nil, queries: [.init(query: 0, along: .nan, against: .nan)]))
    #expect(none.scalars.isEmpty && none.droppedCount == 1)
    #expect(none.loss == nil && none.squaredGradientNorm == nil)
  }

  @Test func withoutTheLossOfTheAdapterItselfNothingCountsThatNeedsIt() {
    for kind in [GradientEstimator.Kind.oneSided, .curvatureWeighted] {
      let estimate = GradientEstimator(kind, perturbation: 0.1).estimate(
        StepLosses(
          clean: .nan,
          queries: (0..<3).map { .init(query: $0, along: Double($0), against: 1) }))
      #expect(estimate.scalars.isEmpty && estimate.droppedCount == 3 && estimate.loss == nil)
    }
  }

  @Test func oneSidedScalarsAreStandardized() {
    let fzoo = GradientEstimator(.oneSided, perturbation: 1e-3)
    func scalars(_ along: [Double], clean: Double) -> [Double] {
      fzoo.estimate(
        StepLosses(
          clean: clean,
          queries: along.enumerated().map {
            .init(query: UInt32($0), along: $1, against: nil)
          })
      ).scalars.map(\.value)
    }
    // The sample deviation of 1, 2 and 3 is 1.
    #expect(scalars([1, 2, 3], clean: 2.5) == [-1.5, -0.5, 0.5])
    // Neither the unit of the loss nor the perturbation matters.
    #expect(scalars([10, 20, 30], clean: 25) == [-1.5, -0.5, 0.5])
    #expect(scalars([1, .nan, 2, 3], clean: 2.5) == [-1.5, -0.5, 0.5])
    #expect(scalars([4, 4, 4], clean: 2).isEmpty)
    #expect(scalars([4], clean: 2).isEmpty)
    #expect(fzoo.displacements(for: [5, 6]).map(\.count) == [0, 1, 1])
  }

  @Test func curvatureWeighsByItsTenthRoot() {
    let estimator = GradientEstimator(.curvatureWeighted, perturbation: 0.5)
    func scalar(_ along: Double, _ clean: Double, _ against: Double) -> Double {
      estimator.estimate(
        StepLosses(clean: clean, queries: [.init(query: 0, along: along, against: against)])
      ).scalars[0].value
    }
    // (l+ - 2 l0 + l-) / e^2 is 0.4, then 1024, then -1024.
    #expect(scalar(1.1, 0.5, 0) == 1.1)
    #expect(scalar(257, 0.5, 0) == 128.5)
    #expect(scalar(1, 128.5, 0) == 0.5)
  }

  @Test func theTenthRootIsOne() {
    for x in [1, 1.0000001, 1.5, 2, 1023, 1024, 1e10, 1e-5 + 1, 1e300, .greatestFiniteMagnitude] {
      #expect(abs(tenthRoot(of: x) / pow(x, 0.1) - 1) < 1e-14)
    }
  }

  @Test func displacementsAreSymmetricAndKeepTheOrderOfTheQueries() {
    #expect(
      mezo.displacements(for: [3, 1]) == [
        [DirectionTerm(query: 3, coefficient: 0x1p-6)],
        [DirectionTerm(query: 3, coefficient: -0x1p-6)],
        [DirectionTerm(query: 1, coefficient: 0x1p-6)],
        [DirectionTerm(query: 1, coefficient: -0x1p-6)],
      ])
    let losses = mezo.losses([1, 2, 3, 4], for: [3, 1])
    #expect(
      losses.queries == [
        .init(query: 3, along: 1, against: 2), .init(query: 1, along: 3, against: 4),
      ])
  }
}
