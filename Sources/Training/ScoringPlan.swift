// SPDX-License-Identifier: Apache-2.0
internal import Models

/// Which sequences to run so that every completion and every choice gets its probability.
///
/// A completion's tokens are predicted along the path that leads to its last one. Completions
/// after the same prompt whose paths begin alike share a sequence: all choices of one token need
/// only the prompt.
struct ScoringPlan {
  /// A sequence to run and the tokens whose log-probability to ask for.
  struct Sequence {
    var tokens: [Int32]
    var targets: [TokenBatch.Target]
    /// Where the first target's log-probability goes; the others follow.
    var firstSlot: Int
  }

  /// Where an example's log-probabilities are.
  struct Slots {
    /// Of its completion's tokens.
    var completion: [Int]
    /// Of each choice's tokens.
    var choices: [[Int]]
  }

  private(set) var sequences: [Sequence] = []
  private(set) var examples: [Slots] = []
  private(set) var slotCount = 0

  init(_ examples: [Example]) {
    for example in examples { add(example) }
  }

  private mutating func add(_ example: Example) {
    let prompt = example.tokens[..<example.promptCount]
    let completions =
      [Array(example.tokens[example.promptCount...])] + (example.choices?.completions ?? [])
    var slots = [[Int]](repeating: [], count: completions.count)
    for family in families(of: completions) {
      // The longest comes first, and the others' paths are beginnings of its own.
      let host = prompt + completions[family[0]].dropLast()
      let wanted = family.map { wantedTokens(of: completions[$0], promptCount: prompt.count) }
      let targets = Set(wanted.joined()).sorted()
      let places = Dictionary(uniqueKeysWithValues: zip(targets, slotCount...))
      for (index, wanted) in zip(family, wanted) { slots[index] = wanted.compactMap { places[$0] } }
      sequences.append(
        Sequence(
          tokens: Array(host),
          targets: targets.map { TokenBatch.Target(position: $0.position, token: $0.token) },
          firstSlot: slotCount))
      slotCount += targets.count
    }
    self.examples.append(Slots(completion: slots[0], choices: Array(slots[1...])))
  }

  /// Completions that can share a sequence, as indices, the longest of each family first.
  private func families(of completions: [[Int32]]) -> [[Int]] {
    // In lexicographic order a path is followed by those that it begins.
    let ascending = completions.indices.sorted {
      let (left, right) = (completions[$0].dropLast(), completions[$1].dropLast())
      return left.elementsEqual(right) ? $0 < $1 : left.lexicographicallyPrecedes(right)
    }
    var families: [[Int]] = []
    for index in ascending.reversed() {
      if let host = families.last?.first,
        completions[host].dropLast().starts(with: completions[index].dropLast())
      {
        families[families.count - 1].append(index)
      } else {
        families.append([index])
      }
    }
    return families
  }

  private struct Wanted: Hashable, Comparable {
    var position: Int
    var token: Int32

    static func < (left: Wanted, right: Wanted) -> Bool {
      (left.position, left.token) < (right.position, right.token)
    }
  }

  private func wantedTokens(of completion: [Int32], promptCount: Int) -> [Wanted] {
    completion.indices.compactMap { index in
      let position = promptCount + index - 1
      return position < 0 ? nil : Wanted(position: position, token: completion[index])
    }
  }

  /// The sequences in batches of similar lengths: at most `tokenBudget` tokens each, or one
  /// sequence that is longer.
  func batches(tokenBudget: Int) -> [[Sequence]] {
    let ordered = sequences.indices.sorted {
      (-sequences[$0].tokens.count, $0) < (-sequences[$1].tokens.count, $1)
    }
    var batches: [[Sequence]] = []
    var room = 0
    for index in ordered {
      let length = sequences[index].tokens.count
      if length > room {
        batches.append([])
        room = tokenBudget
      }
      batches[batches.count - 1].append(sequences[index])
      room -= length
    }
    return batches
  }
}
