// SPDX-License-Identifier: Apache-2.0
internal import Glibc
public import Randomness

/// Sharing one data set among workers as unevenly as the world does.
public enum Partition {
  /// Shares examples by drawing, for each label, the workers' shares from a symmetric Dirichlet.
  ///
  /// The smaller `alpha`, the more a label belongs to few workers. Every example goes to one
  /// worker, and every worker gets at least one: draws that leave one without are repeated, up to
  /// 100 times, and then each worker without takes one example from the worker with most.
  /// T. Hsu et al., "Measuring the Effects of Non-Identical Data Distribution", 2019, section 3.
  ///
  /// - Parameter labels: the label of each example.
  /// - Returns: for each worker, the indices of its examples, ascending.
  /// - Precondition: `alpha` is positive and finite, and there is a worker.
  public static func dirichlet(
    labels: [String], workerCount: Int, alpha: Double, seed: Seed
  ) throws(TrainingError) -> [[Int]] {
    precondition(workerCount > 0, "sharing among \(workerCount) workers")
    precondition(alpha > 0 && alpha.isFinite, "Dirichlet alpha \(alpha)")
    guard labels.count >= workerCount else {
      throw .tooFewExamples(exampleCount: labels.count, workerCount: workerCount)
    }
    let groups = Dictionary(grouping: labels.indices) { labels[$0] }.sorted { $0.key < $1.key }
      .map(\.value)
    var shares: [[Int]] = []
    for attempt in 0..<100 {
      var stream = RandomStream(seed.derived("partition", UInt64(attempt)))
      shares = [[Int]](repeating: [], count: workerCount)
      for group in groups { deal(group, to: &shares, alpha: alpha, from: &stream) }
      if shares.allSatisfy({ !$0.isEmpty }) { break }
    }
    giveOneToEach(&shares)
    return shares.map { $0.sorted() }
  }

  private static func deal(
    _ group: [Int], to shares: inout [[Int]], alpha: Double, from stream: inout RandomStream
  ) {
    var shuffled = group
    stream.shuffle(&shuffled)
    let proportions = stream.dirichlet(count: shares.count, alpha: alpha)
    var start = 0
    var cumulative = 0.0
    for (worker, proportion) in proportions.enumerated() {
      cumulative += proportion
      let isLast = worker == shares.count - 1
      let end = isLast ? shuffled.count : Int(min(cumulative, 1) * Double(shuffled.count))
      shares[worker] += shuffled[start..<end]
      start = end
    }
  }

  private static func giveOneToEach(_ shares: inout [[Int]]) {
    for empty in shares.indices where shares[empty].isEmpty {
      var richest = 0
      for other in shares.indices where shares[other].count > shares[richest].count {
        richest = other
      }
      shares[empty].append(shares[richest].removeLast())
    }
  }
}

extension RandomStream {
  /// Proportions of sum 1, drawn from the symmetric Dirichlet distribution.
  mutating func dirichlet(count: Int, alpha: Double) -> [Double] {
    // Gamma variates of a small shape underflow; their logarithms do not.
    let logarithms = (0..<count).map { _ in logGamma(shape: alpha) }
    let largest = logarithms.max() ?? 0
    let weights = logarithms.map { exp($0 - largest) }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }

  /// The logarithm of a gamma variate of scale 1.
  ///
  /// G. Marsaglia and W. Tsang, "A Simple Method for Generating Gamma Variables", 2000.
  mutating func logGamma(shape: Double) -> Double {
    if shape < 1 { return logGamma(shape: shape + 1) + log(1 - unit()) / shape }
    let d = shape - 1 / 3.0
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let root = 1 + c * x
      guard root > 0 else { continue }
      let v = root * root * root
      if log(1 - unit()) < x * x / 2 + d - d * v + d * log(v) { return log(d * v) }
    }
  }

  /// A standard normal variate.
  ///
  /// G. Marsaglia and T. Bray, "A Convenient Method for Generating Normal Variables", 1964.
  mutating func normal() -> Double {
    while true {
      let x = 2 * unit() - 1
      let y = 2 * unit() - 1
      let square = x * x + y * y
      if square > 0, square < 1 { return x * (-2 * log(square) / square).squareRoot() }
    }
  }
}
