// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Models

struct TokenBatchTests {
  @Test func wholeTextsBecomeTargets() {
    let batch = TokenBatch(sequences: [
      (tokens: [1, 2, 3, 4], first: 2), (tokens: [5], first: 1), (tokens: [6, 7], first: 1),
    ])
    #expect(batch.tokens == [1, 2, 3, 4, 5, 6, 7])
    #expect(batch.sequenceLengths == [4, 1, 2])
    #expect(
      batch.targets == [
        .init(position: 1, token: 3), .init(position: 2, token: 4), .init(position: 5, token: 7),
      ])
  }

  @Test func positionsStartAgainWithEachSequence() {
    let batch = TokenBatch(tokens: [9, 9, 9, 9], sequenceLengths: [3, 1], targets: [])
    #expect(batch.positions == [0, 1, 2, 0])
    #expect(batch.targetRows.isEmpty)
  }

  @Test func rowsOfTargetsAreThereOnce() {
    let batch = TokenBatch(
      tokens: [9, 9, 9], sequenceLengths: [3],
      targets: [0, 2, 2].map { .init(position: $0, token: 1) })
    #expect(batch.targetRows == [0, 2])
  }

  @Test func aTextShorterThanItsPromptHasNoTargets() {
    #expect(TokenBatch(sequences: [(tokens: [1, 2], first: 5)]).targets.isEmpty)
  }
}
