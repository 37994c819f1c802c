// SPDX-License-Identifier: Apache-2.0
import Models
import Randomness
import Tensors
import Testing
import Updates

@testable import Training

/// Losses of one side of the adapter, evaluated by themselves.
@Suite struct StepEvaluatorTests {
  private func settings(_ kind: GradientEstimator.Kind = .twoSided) -> ZerothOrderTraining {
    ZerothOrderTraining(
      localSteps: 1, batchSize: 3, queryCount: 4,
      estimator: GradientEstimator(kind, perturbation: 5e-3), factors: .both, parallelism: .signs)
  }

  /// Whatever is computed beside them, and on however many threads.
  @Test(arguments: [Objective.crossEntropy, .f1])
  func lossesOfOneSideAreThoseAmongBoth(objective: Objective) throws {
    let tiny = try TinyModel()
    let model = try tiny.adapted()
    var settings = settings()
    settings.objective = objective
    func evaluator(_ threadCount: Int, _ adapterCount: Int) throws -> StepEvaluator {
      try StepEvaluator(
        model: model, examples: tiny.goldenExamples(), settings: settings, seed: Seed(3),
        directions: Directions(of: Seed(1)), threadCount: threadCount, adapterCount: adapterCount)
    }
    let queries: [UInt32] = [4, 5, 9, 7]
    func losses(
      _ sides: GradientEstimator.Sides, _ threadCount: Int = 1, _ adapterCount: Int = 2
    ) throws -> [Double] {
      let evaluator = try evaluator(threadCount, adapterCount)
      return evaluator.losses(
        of: evaluator.batch(ofStep: 6), at: model.initialAdapter(), step: 6, queries: queries,
        on: sides, with: evaluator.makeComputer())
    }
    let both = try losses(.both)
    for (threads, adapters) in [(1, 1), (1, 3), (2, 2), (3, 8)] {
      let along = try losses(.along, threads, adapters)
      let against = try losses(.against, threads, adapters)
      #expect(zip(along, against).flatMap { [$0, $1] } == both)
      let estimator = settings.estimator
      #expect(
        estimator.losses(along: along, against: against, for: queries)
          == estimator.losses(both, for: queries))
    }
    #expect(objective != .crossEntropy || Set(both).count == 8)
  }

  @Test func displacementsOfOneSideAreHalfOfThem() {
    let estimator = settings().estimator
    let both = estimator.displacements(for: [3, 1])
    #expect(both.count == 4 && estimator.lossCount(of: 2) == 4)
    #expect(estimator.displacements(for: [3, 1], on: .along) == [both[0], both[2]])
    #expect(estimator.displacements(for: [3, 1], on: .against) == [both[1], both[3]])
    for sides in [GradientEstimator.Sides.along, .against] {
      #expect(estimator.lossCount(of: 2, on: sides) == 2)
      #expect(estimator.queryCount(of: 2, on: sides) == 2)
    }
  }

  @Test func aSideThatIsMissingIsNoNumber() {
    let estimator = settings().estimator
    let half = estimator.losses(along: nil, against: [1, 2], for: [3, 4])
    #expect(half.queries.map(\.against) == [1, 2])
    #expect(half.queries.filter { $0.along.isNaN }.count == 2)
    let estimate = estimator.estimate(half)
    #expect(estimate.scalars.isEmpty && estimate.droppedCount == 2 && estimate.loss == nil)
  }

  /// A plan may come from a stranger.
  @Test(arguments: GradientEstimator.Kind.allCases)
  func onlySignsOfWhatIsTwoSidedAreSplit(kind: GradientEstimator.Kind) throws {
    let settings = settings(kind)
    #expect(settings.estimator.isSplittable == (kind == .twoSided))
    if kind == .twoSided {
      try settings.check(totalVersions: 3)
    } else {
      #expect(
        throws: TrainingError.badSetting(
          name: "estimator", value: kind.rawValue,
          allowed: "two-sided where two workers evaluate one sign each")
      ) { try settings.check(totalVersions: 3) }
    }
  }
}
