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

  @Test func aTextShorterThanItsPromptHasNoTargets() {
    #expect(TokenBatch(sequences: [(tokens: [1, 2], first: 5)]).targets.isEmpty)
  }
}
