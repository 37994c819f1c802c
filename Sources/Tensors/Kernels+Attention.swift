// SPDX-License-Identifier: Apache-2.0
//
// Causal attention over sequences that lie end to end. For a block of queries and one key-value
// head, the scores that count are computed, used and forgotten: nothing S x S is stored.
// T. Dao et al., "FlashAttention", 2022, section 3, has the backward pass used here.
//
// Legend: T tokens, W width of a row (queries, keys, values), Q width of all query heads, H heads.
//
// Pointers live in the closures that give them; all shapes are checked before the first.
internal import CKernels

extension Kernels {
  /// output = softmax(q k^T / sqrt(D)) v for each head; keeps what the backward needs.
  ///
  /// - Precondition: `qkv_TW` is whole, as wide as the shape says, and has as many rows as the
  ///   sequences have tokens.
  public static func attend(
    _ qkv_TW: Matrix, _ shape: AttentionShape, sequenceLengths: [Int],
    statistics: inout AttentionStatistics, scratch: inout AttentionScratch,
    into output_TQ: inout Matrix
  ) {
    check(qkv_TW, shape, sequenceLengths)
    precondition(output_TQ.columnCount == shape.queryWidth, "\(shape) into \(output_TQ.shape)")
    output_TQ.resize(rows: qkv_TW.rowCount)
    statistics.resize(count: qkv_TW.rowCount * shape.headCount)
    scratch.resize(for: shape, longest: sequenceLengths.max() ?? 0, backward: false)
    useOneThread
    qkv_TW.withPointer { qkv in
      output_TQ.values.withUnsafeMutableBufferPointer { output in
        guard let output = output.baseAddress else { return }
        scratch.scores.withUnsafeMutableBufferPointer { scores in
          guard let scores = scores.baseAddress else { return }
          withPointers(
            to: &statistics.maxima, &statistics.reciprocals, &scratch.queries, &scratch.outputs
          ) { maxima, reciprocals, queries, outputs in
            AttentionBlock.forEach(shape, sequenceLengths: sequenceLengths) { block in
              block.gather(
                from: qkv, stride: shape.rowWidth, scale: shape.scoreScale, into: queries)
              block.scores(of: queries, keys: qkv + block.keyOffset, into: scores)
              var rows = block.scoreRows
              tern_softmax(
                &rows, scores, maxima + block.statisticOffset, reciprocals + block.statisticOffset)
              block.combine(scores, values: qkv + block.valueOffset, into: outputs)
              block.scatter(outputs, scale: 1, into: output, stride: shape.queryWidth)
            }
          }
        }
      }
    }
  }

  /// The gradient of queries, keys and values, given the output and its gradient.
  ///
  /// - Precondition: everything else is as the forward had it and left it.
  public static func attendBackward(
    _ qkv_TW: Matrix, _ shape: AttentionShape, sequenceLengths: [Int],
    output_TQ: Matrix, gradient_TQ: Matrix, statistics: AttentionStatistics,
    scratch: inout AttentionScratch, into dqkv_TW: inout Matrix
  ) {
    check(qkv_TW, shape, sequenceLengths)
    precondition(
      output_TQ.shape == [qkv_TW.rowCount, shape.queryWidth] && output_TQ.isWhole
        && gradient_TQ.shape == output_TQ.shape && gradient_TQ.isWhole
        && dqkv_TW.columnCount == shape.rowWidth
        && statistics.maxima.count >= qkv_TW.rowCount * shape.headCount,
      "\(shape): \(qkv_TW.shape), \(output_TQ.shape), \(gradient_TQ.shape), \(dqkv_TW.shape)")
    dqkv_TW.resize(rows: qkv_TW.rowCount)
    dqkv_TW.clear()
    scratch.resize(for: shape, longest: sequenceLengths.max() ?? 0, backward: true)
    let rowCount = qkv_TW.rowCount * shape.headCount
    grow(&scratch.dots, to: rowCount)
    tern_row_dots(
      rowCount, shape.headWidth, output_TQ.values, gradient_TQ.values, &scratch.dots)
    useOneThread
    qkv_TW.withPointer { qkv in
      gradient_TQ.withPointer { gradient in
        dqkv_TW.values.withUnsafeMutableBufferPointer { dqkv in
          guard let dqkv = dqkv.baseAddress else { return }
          addGradient(
            of: shape, sequenceLengths, qkv, gradient, statistics, &scratch, to: dqkv)
        }
      }
    }
  }

  private static func addGradient(
    of shape: AttentionShape, _ sequenceLengths: [Int], _ qkv: UnsafePointer<Float>,
    _ gradient: UnsafePointer<Float>, _ statistics: AttentionStatistics,
    _ scratch: inout AttentionScratch, to dqkv: UnsafeMutablePointer<Float>
  ) {
    let scale = shape.scoreScale
    withPointers(from: statistics.maxima, statistics.reciprocals, scratch.dots) {
      maxima, reciprocals, dots in
      withPointers(
        to: &scratch.queries, &scratch.outputs, &scratch.scores, &scratch.scoreGradients
      ) { queries, outputs, scores, scoreGradients in
        AttentionBlock.forEach(shape, sequenceLengths: sequenceLengths) { block in
          block.gather(from: qkv, stride: shape.rowWidth, scale: scale, into: queries)
          block.gather(from: gradient, stride: shape.queryWidth, scale: 1, into: outputs)
          block.scores(of: queries, keys: qkv + block.keyOffset, into: scores)
          block.scores(of: outputs, keys: qkv + block.valueOffset, into: scoreGradients)
          var rows = block.scoreRows
          let offset = block.statisticOffset
          tern_softmax_backward(
            &rows, maxima + offset, reciprocals + offset, dots + offset, scores, scoreGradients)
          block.addTransposed(scores, rows: outputs, to: dqkv + block.valueOffset)
          block.addTransposed(scoreGradients, rows: queries, to: dqkv + block.keyOffset)
          block.combine(scoreGradients, values: qkv + block.keyOffset, into: outputs)
          block.scatter(outputs, scale: scale, into: dqkv, stride: shape.rowWidth)
        }
      }
    }
  }

  private static func check(_ qkv: Matrix, _ shape: AttentionShape, _ lengths: [Int]) {
    precondition(
      qkv.columnCount == shape.rowWidth && qkv.isWhole && lengths.allSatisfy { $0 > 0 }
        && lengths.reduce(0, +) == qkv.rowCount,
      "\(shape) over sequences of \(lengths) in \(qkv.shape)")
  }
}
