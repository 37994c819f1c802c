// SPDX-License-Identifier: Apache-2.0
internal import CKernels
internal import COpenBLAS

/// Some queries of one sequence, for all heads that share one key-value head.
///
/// As rows of a matrix they are ordered by token, then by head: heads of a group lie side by side,
/// so a token's heads are one piece of memory. Pointers given to its methods point to row 0,
/// column 0 of a matrix of all tokens, and are not kept.
struct AttentionBlock {
  let shape: AttentionShape
  /// The sequence's first token among all.
  let sequenceStart: Int
  /// The queries, counted from the sequence's start.
  let queries: Range<Int>
  /// The key-value head.
  let head: Int

  /// The first key that any of the queries sees, counted from the sequence's start.
  var firstKey: Int { max(0, queries.lowerBound + 1 - (shape.window ?? Int.max / 2)) }
  var keyCount: Int { queries.upperBound - firstKey }
  var rowCount: Int { queries.count * shape.groupSize }
  var scoreStride: Int { AttentionScratch.scoreStride(keyCount: keyCount) }

  /// Where the first key lies in a matrix of rows of queries, keys and values.
  var keyOffset: Int {
    (sequenceStart + firstKey) * shape.rowWidth + shape.queryWidth + head * shape.headWidth
  }
  /// Where the first value lies there.
  var valueOffset: Int { keyOffset + shape.keyWidth }
  /// Where the first row's statistics lie in [T, H].
  var statisticOffset: Int {
    (sequenceStart + queries.lowerBound) * shape.headCount + head * shape.groupSize
  }

  var scoreRows: tern_score_rows {
    tern_score_rows(
      rows: rowCount, group: shape.groupSize, first_query: queries.lowerBound,
      first_key: firstKey, key_count: keyCount, window: shape.window ?? Int.max / 2,
      stride: scoreStride, statistic_stride: shape.headCount)
  }

  /// The rows' elements of a matrix `stride` wide whose first columns are query heads.
  func gather(
    from matrix: UnsafePointer<Float>, stride: Int, scale: Float,
    into rows: UnsafeMutablePointer<Float>
  ) {
    let width = shape.groupSize * shape.headWidth
    let offset = (sequenceStart + queries.lowerBound) * stride + head * width
    tern_copy_rows(queries.count, width, scale, matrix + offset, stride, rows, width)
  }

  /// Puts rows to their places in a matrix `stride` wide whose first columns are query heads.
  func scatter(
    _ rows: UnsafePointer<Float>, scale: Float, into matrix: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    let width = shape.groupSize * shape.headWidth
    let offset = (sequenceStart + queries.lowerBound) * stride + head * width
    tern_copy_rows(queries.count, width, scale, rows, width, matrix + offset, stride)
  }

  /// scores = rows k^T, for keys (or values) at `keys`.
  func scores(
    of rows: UnsafePointer<Float>, keys: UnsafePointer<Float>,
    into scores: UnsafeMutablePointer<Float>
  ) {
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rowCount), Int32(keyCount),
      Int32(shape.headWidth), 1, rows, Int32(shape.headWidth), keys, Int32(shape.rowWidth), 0,
      scores, Int32(scoreStride))
  }

  /// rows = scores v, for values (or keys) at `values`.
  func combine(
    _ scores: UnsafePointer<Float>, values: UnsafePointer<Float>,
    into rows: UnsafeMutablePointer<Float>
  ) {
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rowCount), Int32(shape.headWidth),
      Int32(keyCount), 1, scores, Int32(scoreStride), values, Int32(shape.rowWidth), 0, rows,
      Int32(shape.headWidth))
  }

  /// values += scores^T rows, for gradients of values (or keys) at `values`.
  func addTransposed(
    _ scores: UnsafePointer<Float>, rows: UnsafePointer<Float>,
    to values: UnsafeMutablePointer<Float>
  ) {
    cblas_sgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, Int32(keyCount), Int32(shape.headWidth),
      Int32(rowCount), 1, scores, Int32(scoreStride), rows, Int32(shape.headWidth), 1, values,
      Int32(shape.rowWidth))
  }

  /// Calls `body` for all blocks: sequence by sequence, head by head, first queries first.
  static func forEach(
    _ shape: AttentionShape, sequenceLengths: [Int], _ body: (AttentionBlock) -> Void
  ) {
    var start = 0
    for length in sequenceLengths {
      for head in 0..<shape.keyValueHeadCount {
        for first in stride(from: 0, to: length, by: shape.blockLength) {
          let queries = first..<min(length, first + shape.blockLength)
          body(AttentionBlock(shape: shape, sequenceStart: start, queries: queries, head: head))
        }
      }
      start += length
    }
  }
}
