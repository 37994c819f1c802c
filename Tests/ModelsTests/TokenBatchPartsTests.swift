// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@testable import Models

@Suite struct TokenBatchPartsTests {
  private func batch(_ lengths: [Int], predicted: (Int) -> Int = { $0 - 1 }) -> TokenBatch {
    var next: Int32 = 0
    return TokenBatch(
      sequences: lengths.map { length in
        defer { next += Int32(length) }
        return (Array(next..<(next + Int32(length))), length - predicted(length))
      })
  }

  @Test func aSmallBatchIsOnePart() {
    let batch = batch([100, 150, 133])
    #expect(batch.parts == [batch])
  }

  @Test func partsAreBalancedAndWhole() {
    #expect(
      batch([128, 128, 128, 128]).parts.map(\.sequenceLengths) == [[128, 128], [128, 128]])
    #expect(batch([300, 10, 10, 280]).parts.map(\.sequenceLengths) == [[300], [10, 10, 280]])
    #expect(batch([2000]).parts.map(\.sequenceLengths) == [[2000]])
    #expect(batch([5, 2000, 5]).parts.map(\.sequenceLengths) == [[5, 2000], [5]])
  }

  @Test func anyBatchIsTheSumOfItsPartsWhichAreNoLargerThanSaid() {
    var stream = RandomStream(Seed(3))
    for _ in 0..<300 {
      let lengths = (0..<(1 + stream.integer(below: 40))).map { _ in
        2 + stream.integer(below: 1 << (1 + stream.integer(below: 9)))
      }
      let batch = batch(lengths) { 1 + stream.integer(below: $0 - 1) }
      let parts = batch.parts
      #expect(parts.flatMap(\.tokens) == batch.tokens)
      #expect(parts.flatMap(\.sequenceLengths) == lengths)
      #expect(parts.count <= 8)
      // A token's number is its place in the batch; each target is the token after its position.
      let targets = parts.flatMap { part in part.targets.map { part.tokens[$0.position] + 1 } }
      #expect(targets == batch.targets.map(\.token))
      let bound = BatchExtent(of: batch).ofParts
      let largest = BatchExtent(ofLargest: parts)
      #expect(largest.tokenCount <= bound.tokenCount)
      #expect(largest.targetRowCount <= bound.targetRowCount)
      #expect(largest.longestSequence <= bound.longestSequence)
      #expect(bound.tokenCount <= batch.tokens.count)
    }
  }

  @Test func aPartWithoutTargetsIsLeftOut() {
    let sequences = [
      ([Int32](repeating: 1, count: 300), 300), ([Int32](repeating: 2, count: 300), 5),
    ]
    let batch = TokenBatch(sequences: sequences)
    #expect(batch.parts.map(\.tokens) == [sequences[1].0])
    #expect(batch.parts[0].targets.count == batch.targets.count)
  }
}
