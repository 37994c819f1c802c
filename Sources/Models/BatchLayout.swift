// SPDX-License-Identifier: Apache-2.0
internal import Tensors

/// The rows in which a batch is computed.
///
/// Tokens with which all sequences begin (those of a prompt's template, say) are the same in each,
/// and attention is causal: they are computed once, in the first rows.
struct BatchLayout: Sendable {
  /// A target and where its logits are.
  struct Prediction {
    /// Index into `targetRows`.
    let row: Int
    let token: Int32
    /// Which of the batch's targets it is.
    let index: Int
  }

  var table: RotaryTable
  /// The token of each row.
  private(set) var tokens: [Int32] = []
  /// Each row's position in its sequence.
  private(set) var positions: [Int32] = []
  private(set) var sequences: [SequenceRows] = []
  /// The rows whose predictions count, ascending.
  private(set) var targetRows: [Int32] = []
  /// All targets, by row.
  private(set) var predictions: [Prediction] = []

  init(table: RotaryTable) { self.table = table }

  /// Lays out a batch.
  mutating func set(_ batch: TokenBatch) {
    let shared = batch.sharedCount
    tokens = Array(batch.tokens.prefix(shared))
    positions = (0..<shared).map { Int32($0) }
    sequences = shared > 0 ? [SequenceRows(own: 0..<shared)] : []
    var rows: [Int] = []
    var start = 0
    for length in batch.sequenceLengths {
      let first = tokens.count
      tokens += batch.tokens[(start + shared)..<(start + length)]
      positions += (shared..<length).map { Int32($0) }
      sequences.append(SequenceRows(prefix: 0..<shared, own: first..<tokens.count))
      rows += Array(0..<shared) + Array(first..<tokens.count)
      start += length
    }
    place(batch.targets, rows: rows)
    table.extend(to: batch.sequenceLengths.max() ?? 0)
  }

  /// Puts `count` times the batch one after the other, as if each had rows and targets of its own.
  mutating func repeatRows(_ count: Int) {
    let (rowCount, targetRowCount) = (tokens.count, targetRows.count)
    let targetCount = predictions.count
    tokens = [[Int32]](repeating: tokens, count: count).flatMap { $0 }
    positions = [[Int32]](repeating: positions, count: count).flatMap { $0 }
    let (once, rows, targets) = (sequences, targetRows, predictions)
    for copy in 1..<count {
      sequences += once.map { $0.moved(by: copy * rowCount) }
      targetRows += rows.map { $0 + Int32(copy * rowCount) }
      predictions += targets.map {
        Prediction(
          row: $0.row + copy * targetRowCount, token: $0.token,
          index: $0.index + copy * targetCount)
      }
    }
  }

  /// Finds the targets' rows, given the row of each token of the batch.
  private mutating func place(_ targets: [TokenBatch.Target], rows: [Int]) {
    // Ties keep the order of the batch, so that the order is always the same.
    let order = targets.indices.sorted {
      (rows[targets[$0].position], $0) < (rows[targets[$1].position], $1)
    }
    targetRows = []
    predictions = order.map { index in
      let row = Int32(rows[targets[index].position])
      if targetRows.last != row { targetRows.append(row) }
      return Prediction(row: targetRows.count - 1, token: targets[index].token, index: index)
    }
  }
}

extension SequenceRows {
  fileprivate func moved(by count: Int) -> SequenceRows {
    SequenceRows(
      prefix: (prefix.lowerBound + count)..<(prefix.upperBound + count),
      own: (own.lowerBound + count)..<(own.upperBound + count))
  }
}

extension TokenBatch {
  /// How many tokens all of several sequences begin with, leaving each at least one of its own.
  fileprivate var sharedCount: Int {
    guard sequenceLengths.count > 1, let first = sequenceLengths.first else { return 0 }
    var shared = (sequenceLengths.min() ?? 1) - 1
    var start = first
    for length in sequenceLengths.dropFirst() {
      let same = zip(tokens[..<shared], tokens[start..<(start + shared)]).prefix { $0 == $1 }
      shared = same.count
      start += length
    }
    return shared
  }
}
