// SPDX-License-Identifier: Apache-2.0
internal import Models

/// The loss of a batch, and of each half of its sequences.
///
/// The halves are other examples, so that what they agree on is what the data says, and what they do
/// not agree on is what this batch says.
public struct BatchLoss: Hashable, Sendable {
  /// The mean over all terms of the objective.
  public let mean: Double
  /// The means over the terms of the first half of the sequences, and of the others; nil unless both
  /// have some.
  public let halves: Halves?

  /// The same of both halves.
  public struct Halves: Hashable, Codable, Sendable {
    /// Of the first.
    public var first: Double
    /// Of the second.
    public var second: Double

    /// By its parts.
    public init(first: Double, second: Double) {
      self.first = first
      self.second = second
    }
  }
}

extension BatchLoss {
  /// The sum of what parts of a batch contribute, in their order.
  init(sumOf parts: [BatchLoss]) {
    let halves = parts.compactMap(\.halves)
    self.init(
      mean: parts.reduce(0) { $0 + $1.mean },
      halves: halves.isEmpty
        ? nil
        : Halves(
          first: halves.reduce(0) { $0 + $1.first }, second: halves.reduce(0) { $0 + $1.second }))
  }
}

/// Where the halves of a batch lie in the parts in which it is computed.
struct BatchHalves {
  private let objective: Objective
  /// How many terms belong to each half.
  private let termCounts: (first: Int, second: Int)
  /// By part, how many of its terms belong to the first half: they come first.
  private let firstCounts: [Int]

  init(of batch: TokenBatch, in parts: [TokenBatch], by objective: Objective) {
    self.objective = objective
    let firstCount = objective.termCount(
      of: batch, first: (batch.sequenceLengths.count + 1) / 2)
    termCounts = (firstCount, objective.termCount(of: batch) - firstCount)
    var left = firstCount
    firstCounts = parts.map { part in
      let count = min(objective.termCount(of: part), left)
      left -= count
      return count
    }
  }

  /// What part number `number`, whose targets have these scores, contributes to the batch's loss.
  func loss(_ scores: [TargetScore], of part: TokenBatch, number: Int) -> BatchLoss {
    let terms = objective.terms(of: scores, in: part)
    let (firstCount, secondCount) = termCounts
    let mean = terms.reduce(0, +) / Double(firstCount + secondCount)
    guard firstCount > 0 && secondCount > 0 else { return BatchLoss(mean: mean, halves: nil) }
    let (first, second) = (
      terms.prefix(firstCounts[number]), terms.dropFirst(firstCounts[number])
    )
    return BatchLoss(
      mean: mean,
      halves: BatchLoss.Halves(
        first: first.reduce(0, +) / Double(firstCount),
        second: second.reduce(0, +) / Double(secondCount)))
  }
}
