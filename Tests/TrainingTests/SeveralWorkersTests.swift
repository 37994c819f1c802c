// SPDX-License-Identifier: Apache-2.0
import Testing
import Updates

@testable import Training

/// What becomes of the losses of workers that take a step together.
struct SeveralWorkersTests {
  private func part(
    _ queries: [(UInt32, Double, Double?)], clean: Double? = nil, weight: Double = 1
  ) -> WeightedLosses {
    WeightedLosses(
      losses: StepLosses(
        clean: clean,
        queries: queries.map { StepLosses.Query(query: $0.0, along: $0.1, against: $0.2) }),
      weight: weight)
  }

  private let mezo = GradientEstimator(.twoSided, perturbation: 0.5)

  @Test func ofOneWorkerTheyAreWhatTheyAreAlone() {
    for kind in GradientEstimator.Kind.allCases {
      let estimator = GradientEstimator(kind, perturbation: 0x1p-7)
      let sides: Double? = kind == .oneSided ? nil : 0.3
      let one = part([(3, 0.1, sides), (1, 0.7, sides), (2, .nan, sides)], clean: 0.4, weight: 3)
      let together = estimator.estimate([one])
      #expect(together.scalars == estimator.estimate(one.losses).scalars)
      #expect(together.scalars.map(\.query) == [3, 1] && together.droppedCount == 1)
      #expect(together.loss == estimator.estimate(one.losses).loss)
    }
  }

  @Test func directionsOfTheirOwnStandSideBySide() {
    let estimate = mezo.estimate([
      part([(0, 3, 1), (1, 2, 2)]), part([(2, 1, 2), (3, .infinity, 1)]),
    ])
    #expect(
      estimate.scalars == [
        ProjectedGradient(query: 0, value: 2), ProjectedGradient(query: 1, value: 0),
        ProjectedGradient(query: 2, value: -1),
      ])
    #expect(estimate.droppedCount == 1 && estimate.squaredGradientNorm == 5.0 / 3)
    #expect(estimate.loss == (2 + 1.5) / 2)
  }

  @Test func theSameDirectionsAreAveragedByWeight() {
    let estimate = mezo.estimate([
      part([(0, 3, 1), (1, .nan, 2)], weight: 3), part([(0, 1, 3), (1, 4, 2)], weight: 1),
    ])
    #expect(
      estimate.scalars == [
        ProjectedGradient(query: 0, value: (3 * 2 - 2) / 4),
        ProjectedGradient(query: 1, value: 2),
      ])
    #expect(estimate.droppedCount == 1)
  }

  @Test func lossesAreComparedWithThoseOfTheSameWorkerOnly() {
    let fzoo = GradientEstimator(.oneSided, perturbation: 1e-3)
    // One worker's examples are a hundred times as hard; the deviations within each are 1.
    let estimate = fzoo.estimate([
      part([(0, 1, nil), (1, 2, nil), (2, 3, nil)], clean: 2),
      part([(3, 101, nil), (4, 102, nil), (5, 103, nil)], clean: 101),
    ])
    #expect(estimate.scalars.map(\.value) == [-1, 0, 1, 0, 1, 2])
    let single = fzoo.estimate([part([(0, 1, nil)], clean: 1), part([(1, 9, nil)], clean: 8)])
    #expect(single.scalars.isEmpty && single.droppedCount == 2)
  }

  @Test func ofWorkersWithTheSameDirectionsHalvesStandForHalvesOfTheBatch() {
    let slopes = mezo.slopes([
      part([(0, 3, 1), (1, 1, 0)]), part([(0, 5, 1)]), part([(0, 0, 6), (1, .nan, 0)]),
    ])
    #expect(slopes.map(\.query) == [0, 1])
    #expect(slopes[0].slope == 0 && slopes[0].halves == BatchLoss.Halves(first: 2, second: -1))
    #expect(slopes[1].slope == 1 && slopes[1].halves == nil)
  }
}
