// SPDX-License-Identifier: Apache-2.0
public import Tensors

extension AdaptedModel {
  /// The scores of the targets of a batch with each of some adapters, where what comes before a target in
  /// its sequence's completion is what greedy decoding would have put there: so their likeliest tokens
  /// are what greedy decoding makes of the prompts, as many as the completions have.
  ///
  /// The completions are the draft of what is decoded. One pass tells all of it up to the first token that
  /// is another; with that one in its place, another pass tells more: a pass for each such token, and not
  /// one for each that is decoded. It is what Y. Leviathan et al., "Fast Inference from Transformers via
  /// Speculative Decoding", 2023, do with the draft of a smaller model.
  ///
  /// - Precondition: as for the losses; the targets of each sequence follow each other, and are the
  ///   tokens after their positions.
  public func decodedScores(
    of batch: TokenBatch, adapters: [ParameterVector], in workspace: inout Workspace
  ) -> [[TargetScore]] {
    let drafts = scores(of: batch, adapters: adapters, in: &workspace)
    return zip(drafts, adapters).map { draft, adapter in
      var decoding = GreedyDecoding(of: batch)
      decoding.take(draft)
      while let rest = decoding.rest {
        decoding.take(scores(of: rest, adapters: [adapter], in: &workspace)[0])
      }
      return decoding.scores
    }
  }
}

/// Completions on their way from what they should be to what is decoded.
private struct GreedyDecoding {
  /// The scores of the batch's targets, as far as they are decoded.
  private(set) var scores: [TargetScore]
  private var completions: [Completion] = []

  fileprivate struct Completion {
    /// The sequence's tokens; those after what is decoded are the draft.
    var tokens: [Int32]
    /// Where in the sequence the first target's prediction is made.
    let start: Int
    /// Which of the batch's targets are the sequence's.
    let targets: Range<Int>
    /// How many of them are decoded.
    var decodedCount = 0

    var isDecoded: Bool { decodedCount == targets.count }
  }

  init(of batch: TokenBatch) {
    scores = batch.targets.map {
      TargetScore(token: $0.token, logProbability: .nan, likeliest: -1)
    }
    var (first, next) = (0, 0)
    for length in batch.sequenceLengths {
      let end = first + length
      let targets =
        next..<(batch.targets[next...].firstIndex { $0.position >= end } ?? batch.targets.count)
      if !targets.isEmpty {
        let completion = Completion(
          tokens: Array(batch.tokens[first..<end]),
          start: batch.targets[targets.lowerBound].position - first, targets: targets)
        completion.check(batch.targets[targets], first: first)
        completions.append(completion)
      }
      (first, next) = (end, targets.upperBound)
    }
  }

  /// What is to be looked at next: all targets that are not decoded; nil when none is left.
  var rest: TokenBatch? {
    let open = completions.filter { !$0.isDecoded }
    guard !open.isEmpty else { return nil }
    var (first, targets) = (0, [TokenBatch.Target]())
    for completion in open {
      for place in completion.decodedCount..<completion.targets.count {
        let token = scores[completion.targets.lowerBound + place].token
        targets.append(
          TokenBatch.Target(position: first + completion.start + place, token: token))
      }
      first += completion.tokens.count
    }
    return TokenBatch(
      tokens: open.flatMap(\.tokens), sequenceLengths: open.map(\.tokens.count), targets: targets)
  }

  /// Takes the scores of all targets that were not decoded.
  mutating func take(_ scores: [TargetScore]) {
    var scores = scores[...]
    for index in completions.indices where !completions[index].isDecoded {
      let count = completions[index].targets.count - completions[index].decodedCount
      take(scores.prefix(count), at: index)
      scores = scores.dropFirst(count)
    }
  }

  /// Takes the scores of one completion, up to a token that is another than the draft's: what follows was
  /// predicted from a wrong beginning.
  ///
  /// What follows no numbers is not decoded: their scores say so.
  private mutating func take(_ found: ArraySlice<TargetScore>, at index: Int) {
    for score in found {
      let place = completions[index].decodedCount
      scores[completions[index].targets.lowerBound + place] = score
      completions[index].decodedCount += 1
      guard score.logProbability.isFinite else {
        completions[index].decodedCount = completions[index].targets.count
        return
      }
      guard !score.isLikeliest else { continue }
      let next = completions[index].start + place + 1
      if next < completions[index].tokens.count {
        completions[index].tokens[next] = score.likeliest
      }
      return
    }
  }
}

extension GreedyDecoding.Completion {
  /// Stops for targets that are not the tokens after their positions, one after the other.
  fileprivate func check(_ targets: ArraySlice<TokenBatch.Target>, first: Int) {
    for (place, target) in targets.enumerated() {
      let position = start + place
      precondition(
        target.position == first + position
          && (position + 1 >= tokens.count || tokens[position + 1] == target.token),
        "target \(target) at place \(place) of a completion after token \(start)")
    }
  }
}
