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
  /// What greedy decoding lacks of the examples' completions: 1 less the F1 of each, which for as many
  /// tokens as the completion has is the share that both have in common, wherever they stand.
  ///
  /// As SQuAD's measure, but of tokens instead of words: P. Rajpurkar et al., "SQuAD: 100,000+ Questions
  /// for Machine Comprehension of Text", 2016.
  case f1

  /// Whether its scores are those of decoding, instead of each token after all that truly come before.
  var decodes: Bool { self == .f1 }

  private var countsExamples: Bool { self == .exactMatch || self == .f1 }

  /// The terms whose mean is the loss, from the scores of a batch's targets: one for each target, or
  /// for each sequence with targets.
  ///
  /// A score that is not finite makes its term not a number, whatever is likeliest then.
  func terms(of scores: [TargetScore], in batch: TokenBatch) -> [Double] {
    switch self {
    case .crossEntropy: return scores.map { -$0.logProbability }
    case .accuracy: return scores.map(\.miss)
    case .exactMatch, .f1:
      var rest = scores[...]
      return batch.targetCounts.filter { $0 > 0 }.map { count in
        defer { rest = rest.dropFirst(count) }
        return term(ofExample: rest.prefix(count))
      }
    }
  }

  private func term(ofExample scores: ArraySlice<TargetScore>) -> Double {
    guard scores.allSatisfy(\.logProbability.isFinite) else { return .nan }
    guard self == .f1 else { return scores.allSatisfy(\.isLikeliest) ? 0 : 1 }
    var missing: [Int32: Int] = [:]
    for score in scores { missing[score.token, default: 0] += 1 }
    for score in scores {
      if let count = missing[score.likeliest], count > 0 { missing[score.likeliest] = count - 1 }
    }
    return Double(missing.values.reduce(0, +)) / Double(scores.count)
  }

  /// How many terms the first `sequenceCount` sequences of a batch have.
  func termCount(of batch: TokenBatch, first sequenceCount: Int = .max) -> Int {
    let counts = batch.targetCounts.prefix(sequenceCount)
    return countsExamples ? counts.count { $0 > 0 } : counts.reduce(0, +)
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
