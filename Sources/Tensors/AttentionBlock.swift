// SPDX-License-Identifier: Apache-2.0
internal import CKernels

/// Some queries of one sequence, for all heads that share one key-value head.
///
/// As rows of a matrix they are ordered by token, then by head: heads of a group lie side by side,
/// so a token's heads are one piece of memory. Pointers given to its methods point to row 0,
/// column 0 of a matrix of all tokens, or to the block's own rows, and are not kept.
struct AttentionBlock {
  let shape: AttentionShape
  let sequence: SequenceRows
  /// The queries, counted from the sequence's first token.
  let queries: Range<Int>
  /// The key-value head.
  let head: Int

  /// The keys that any of the queries sees, counted from the sequence's first token.
  var keys: Range<Int> {
    let first = queries.lowerBound + 1 - (shape.window ?? queries.lowerBound + 1)
    return max(0, first)..<queries.upperBound
  }
  var rowCount: Int { queries.count * shape.groupSize }
  var scoreStride: Int { AttentionScratch.scoreStride(keyCount: keys.count) }
  /// The number of scores, with those that fill rows up.
  var scoreCount: Int { rowCount * scoreStride }

  /// The first query's row among all tokens.
  private var firstRow: Int {
    sequence.own.lowerBound + queries.lowerBound - sequence.prefix.count
  }
  /// Where the first row's statistics lie in [T, H].
  var statisticOffset: Int { firstRow * shape.headCount + head * shape.groupSize }
  /// The keys' column in a row of queries, keys and values; values are `keyWidth` after it.
  private var keyColumn: Int { shape.queryWidth + head * shape.headWidth }

  var scoreRows: tern_score_rows {
    tern_score_rows(
      rows: rowCount, group: shape.groupSize, first_query: queries.lowerBound,
      first_key: keys.lowerBound, key_count: keys.count, window: shape.window ?? Int.max / 2,
      stride: scoreStride, statistic_stride: shape.headCount)
  }

  /// The queries' elements of a matrix `stride` wide whose first columns are query heads.
  func gather(
    from matrix: UnsafePointer<Float>, stride: Int, scale: Float,
    into rows: UnsafeMutablePointer<Float>
  ) {
    let width = shape.groupSize * shape.headWidth
    let start = matrix + firstRow * stride + head * width
    tern_copy_rows(queries.count, width, scale, start, stride, rows, width)
  }

  /// Puts rows to the queries' places in a matrix whose first columns are query heads.
  func scatter(
    _ rows: UnsafePointer<Float>, scale: Float, into matrix: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    let width = shape.groupSize * shape.headWidth
    let start = matrix + firstRow * stride + head * width
    tern_copy_rows(queries.count, width, scale, rows, width, start, stride)
  }

  /// Keys and values side by side in memory, from the prefix and from the sequence's own rows.
  func gatherKeys(
    from qkv: UnsafePointer<Float>, into keyRows: UnsafeMutablePointer<Float>,
    values valueRows: UnsafeMutablePointer<Float>
  ) {
    let width = shape.headWidth
    for piece in keyPieces {
      let start = qkv + piece.row * shape.rowWidth + keyColumn
      let offset = piece.first * width
      tern_copy_rows(
        piece.count, width, 1, start, shape.rowWidth, keyRows + offset, width)
      tern_copy_rows(
        piece.count, width, 1, start + shape.keyWidth, shape.rowWidth, valueRows + offset, width)
    }
  }

  /// Adds gradients of the keys, or of the values, to their places among queries, keys and values.
  func addKeyGradients(
    _ rows: UnsafePointer<Float>, areValues: Bool, to dqkv: UnsafeMutablePointer<Float>
  ) {
    let column = keyColumn + (areValues ? shape.keyWidth : 0)
    for piece in keyPieces {
      tern_add_rows(
        piece.count, shape.headWidth, rows + piece.first * shape.headWidth, shape.headWidth,
        dqkv + piece.row * shape.rowWidth + column, shape.rowWidth)
    }
  }

  /// Runs of keys whose rows lie side by side: the first's number among the block's keys and row.
  private var keyPieces: [(first: Int, count: Int, row: Int)] {
    let (keys, prefix) = (keys, sequence.prefix)
    let shared = max(0, min(keys.upperBound, prefix.count) - keys.lowerBound)
    let own = (
      first: shared, count: keys.count - shared,
      row: sequence.own.lowerBound + max(keys.lowerBound, prefix.count) - prefix.count
    )
    guard shared > 0 else { return [own] }
    return [(first: 0, count: shared, row: prefix.lowerBound + keys.lowerBound), own]
  }

  /// Makes what was gathered of queries, keys and values what the products take.
  func prepareOperands(of memory: ScratchPointers) {
    memory.products.prepare(memory.queries, count: rowCount * shape.headWidth)
    memory.products.prepare(memory.keys, count: keys.count * shape.headWidth)
    memory.products.prepare(memory.values, count: keys.count * shape.headWidth)
  }

  /// scores = rows k^T, for keys (or values).
  func scores(
    of rows: UnsafePointer<Float>, keys keyRows: UnsafePointer<Float>,
    into scores: UnsafeMutablePointer<Float>, by products: AttentionProducts
  ) {
    products.multiply(
      .init(start: rows, stride: shape.headWidth), keyRows, .right,
      into: .init(start: scores, stride: scoreStride), rows: rowCount, columns: keys.count,
      depth: shape.headWidth)
  }

  /// rows = scores v, for values (or keys).
  func combine(
    _ scores: UnsafePointer<Float>, values: UnsafePointer<Float>,
    into rows: UnsafeMutablePointer<Float>, by products: AttentionProducts
  ) {
    products.multiply(
      .init(start: scores, stride: scoreStride), values, .neither,
      into: .init(start: rows, stride: shape.headWidth), rows: rowCount,
      columns: shape.headWidth, depth: keys.count)
  }

  /// values = scores^T rows, for gradients of values (or keys).
  func transpose(
    _ scores: UnsafePointer<Float>, rows: UnsafePointer<Float>,
    into values: UnsafeMutablePointer<Float>, by products: AttentionProducts
  ) {
    products.multiply(
      .init(start: scores, stride: scoreStride), rows, .left,
      into: .init(start: values, stride: shape.headWidth), rows: keys.count,
      columns: shape.headWidth, depth: rowCount)
  }

  /// Calls `body` for all blocks: sequence by sequence, head by head, first queries first.
  static func forEach(
    _ shape: AttentionShape, _ sequences: [SequenceRows], _ body: (AttentionBlock) -> Void
  ) {
    for sequence in sequences {
      for head in 0..<shape.keyValueHeadCount {
        for first in stride(
          from: sequence.prefix.count, to: sequence.length, by: shape.blockLength)
        {
          let queries = first..<min(sequence.length, first + shape.blockLength)
          body(AttentionBlock(shape: shape, sequence: sequence, queries: queries, head: head))
        }
      }
    }
  }
}
