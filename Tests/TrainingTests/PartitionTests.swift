// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@testable import Training

struct PartitionTests {
  private let labels = (0..<800).map { "label \($0 % 8)" }

  @Test(arguments: [0.01, 0.5, 1, 100], [1, 3, 10])
  func everyExampleHasOneWorkerAndEveryWorkerAnExample(_ alpha: Double, _ workerCount: Int) throws {
    let shares = try share(labels, workerCount, alpha)
    #expect(shares.count == workerCount)
    #expect(shares.allSatisfy { !$0.isEmpty && $0 == $0.sorted() })
    #expect(shares.joined().sorted() == Array(0..<800))
  }

  @Test func theSameSeedGivesTheSameShares() throws {
    #expect(try share(labels, 3, 0.5, seed: 5) == share(labels, 3, 0.5, seed: 5))
    #expect(try share(labels, 3, 0.5, seed: 5) != share(labels, 3, 0.5, seed: 6))
  }

  @Test func aLargeAlphaSharesEvenlyAndASmallOneDoesNot() throws {
    func largestShare(_ alpha: Double) throws -> Double {
      var sum = 0.0
      for seed in 0..<20 {
        let shares = try share(labels, 4, alpha, seed: UInt64(seed))
        for label in Set(labels) {
          sum += Double(shares.map { $0.count { labels[$0] == label } }.max() ?? 0) / 100
        }
      }
      return sum / 160
    }
    #expect(try largestShare(1000) < 0.28)
    #expect((0.5..<0.75).contains(try largestShare(0.5)))
    #expect(try largestShare(0.01) > 0.95)
  }

  @Test func asManyExamplesAsWorkersIsEnough() throws {
    for alpha in [0.001, 0.5] {
      let shares = try share(["a", "a", "a", "a", "b"], 5, alpha)
      #expect(shares.allSatisfy { $0.count == 1 })
    }
  }

  @Test func fewerExamplesThanWorkersAreRefused() {
    #expect(throws: TrainingError.tooFewExamples(exampleCount: 2, workerCount: 3)) {
      try share(["a", "b"], 3, 0.5)
    }
  }

  @Test func dirichletProportionsHaveTheirMoments() {
    var stream = RandomStream(Seed(11))
    for (alpha, count) in [(0.5, 3), (2.0, 4)] {
      let draws = (0..<20_000).map { _ in stream.dirichlet(count: count, alpha: alpha)[0] }
      let mean = draws.reduce(0, +) / Double(draws.count)
      let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws.count)
      let expected = 1 / Double(count)
      let spread = expected * (1 - expected) / (Double(count) * alpha + 1)
      #expect(abs(mean - expected) < 0.01)
      #expect(abs(variance / spread - 1) < 0.05)
    }
  }

  @Test func gammaVariatesHaveTheirMean() {
    var stream = RandomStream(Seed(12))
    // The mean of the logarithm of a gamma variate is digamma(shape).
    for (shape, digamma) in [(1.0, -0.57722), (0.5, -1.96351), (3.0, 0.92278)] {
      let draws = (0..<20_000).map { _ in stream.logGamma(shape: shape) }
      #expect(abs(draws.reduce(0, +) / 20_000 - digamma) < 0.06)
    }
  }

  @Test func proportionsOfATinyAlphaAreFinite() {
    var stream = RandomStream(Seed(13))
    for _ in 0..<200 {
      let proportions = stream.dirichlet(count: 5, alpha: 1e-4)
      #expect(abs(proportions.reduce(0, +) - 1) < 1e-9)
    }
  }

  private func share(
    _ labels: [String], _ workerCount: Int, _ alpha: Double, seed: UInt64 = 1
  ) throws(TrainingError) -> [[Int]] {
    try Partition.dirichlet(
      labels: labels, workerCount: workerCount, alpha: alpha, seed: Seed(seed))
  }
}
