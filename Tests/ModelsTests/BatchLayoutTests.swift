// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

@testable import Models

struct BatchLayoutTests {
  private func layout(_ batch: TokenBatch) -> BatchLayout {
    var layout = BatchLayout(table: RotaryTable(frequencies: [1]))
    layout.set(batch)
    return layout
  }

  @Test func positionsStartAgainWithEachSequence() {
    let rows = layout(TokenBatch(tokens: [9, 8, 7, 6], sequenceLengths: [3, 1], targets: []))
    #expect(rows.tokens == [9, 8, 7, 6])
    #expect(rows.positions == [0, 1, 2, 0])
    #expect(rows.sequences == SequenceRows.endToEnd([3, 1]))
    #expect(rows.targetRows.isEmpty && rows.predictions.isEmpty)
    #expect(rows.table.positionCount == 3)
  }

  @Test func rowsOfTargetsAreThereOnce() {
    let rows = layout(
      TokenBatch(
        tokens: [9, 9, 9], sequenceLengths: [3],
        targets: [0, 2, 2].map { .init(position: $0, token: 1) }))
    #expect(rows.targetRows == [0, 2])
    #expect(rows.predictions.map(\.row) == [0, 1, 1])
  }

  @Test func whatAllSequencesBeginWithIsThereOnce() {
    let rows = layout(
      TokenBatch(sequences: [
        (tokens: [1, 2, 3, 4], first: 1), (tokens: [1, 2, 5], first: 1),
        (tokens: [1, 2, 3], first: 2),
      ]))
    #expect(rows.tokens == [1, 2, 3, 4, 5, 3])
    #expect(rows.positions == [0, 1, 2, 3, 2, 2])
    #expect(
      rows.sequences == [
        SequenceRows(own: 0..<2), SequenceRows(prefix: 0..<2, own: 2..<4),
        SequenceRows(prefix: 0..<2, own: 4..<5), SequenceRows(prefix: 0..<2, own: 5..<6),
      ])
    #expect(rows.targetRows == [0, 1, 2])
    #expect(rows.predictions.map(\.row) == [0, 0, 1, 1, 1, 2])
    #expect(rows.predictions.map(\.token) == [2, 2, 3, 5, 3, 4])
    #expect(rows.predictions.map(\.index) == [0, 3, 1, 4, 5, 2])
  }

  @Test func everySequenceKeepsATokenOfItsOwn() {
    let rows = layout(
      TokenBatch(tokens: [1, 2, 1, 2, 1, 2, 3], sequenceLengths: [2, 2, 3], targets: []))
    #expect(rows.sequences.map(\.own) == [0..<1, 1..<2, 2..<3, 3..<5])
    let single = layout(TokenBatch(tokens: [1, 1], sequenceLengths: [1, 1], targets: []))
    #expect(single.sequences == SequenceRows.endToEnd([1, 1]))
  }

  @Test func layoutsDoNotDependOnWhatWasLaidOutBefore() {
    var rows = layout(TokenBatch(sequences: [(tokens: [1, 2], first: 1), ([1, 3], 1)]))
    rows.set(TokenBatch(tokens: [4], sequenceLengths: [1], targets: []))
    #expect(rows.tokens == [4] && rows.positions == [0])
    #expect(rows.sequences == [SequenceRows(own: 0..<1)])
    #expect(rows.predictions.isEmpty)
  }
}
