// SPDX-License-Identifier: Apache-2.0
internal import Models

/// What training by losses alone makes small: how wrong a batch is, by any measure, for nobody asks for
/// its gradient.
public enum Objective: String, CaseIterable, Codable, Sendable {
  /// The mean of minus the logarithm of each target's probability.
  case crossEntropy = "cross-entropy"
  /// The share of the targets that are not the likeliest token in their place.
  case accuracy
  /// The share of the examples that greedy decoding would not complete as they are.
  ///
  /// One forward pass tells: what is decoded before a token is the example's own as long as all
  /// tokens before were the likeliest.
  case exactMatch = "exact-match"

  /// The terms whose mean is the loss, from the scores of a batch's targets: one for each target, or
  /// for each sequence with targets.
  ///
  /// A score that is not finite makes its term not a number, whatever is likeliest then.
  func terms(of scores: [TargetScore], in batch: TokenBatch) -> [Double] {
    switch self {
    case .crossEntropy: return scores.map { -$0.logProbability }
    case .accuracy: return scores.map(\.miss)
    case .exactMatch:
      var rest = scores[...]
      return batch.targetCounts.filter { $0 > 0 }.map { count in
        let misses = rest.prefix(count).map(\.miss)
        rest = rest.dropFirst(count)
        return misses.contains(where: \.isNaN) ? .nan : misses.contains(1) ? 1 : 0
      }
    }
  }

  /// How many terms the first `sequenceCount` sequences of a batch have.
  func termCount(of batch: TokenBatch, first sequenceCount: Int = .max) -> Int {
    let counts = batch.targetCounts.prefix(sequenceCount)
    return self == .exactMatch ? counts.count { $0 > 0 } : counts.reduce(0, +)
  }
}

extension TargetScore {
  /// 0 for the likeliest token, 1 for another.
  fileprivate var miss: Double {
    guard logProbability.isFinite else { return .nan }
    return isLikeliest ? 0 : 1
  }
}

extension TokenBatch {
  /// How many targets each sequence has.
  fileprivate var targetCounts: [Int] {
    var (counts, next, end) = ([Int](), 0, 0)
    for length in sequenceLengths {
      end += length
      let first = next
      while next < targets.count, targets[next].position < end { next += 1 }
      counts.append(next - first)
    }
    return counts
  }
}
