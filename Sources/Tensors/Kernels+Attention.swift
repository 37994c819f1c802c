// SPDX-License-Identifier: Apache-2.0
//
// Causal attention over sequences whose rows lie side by side. For a block of queries and one
// key-value head, the scores that count are computed, used and forgotten: nothing S x S is stored.
// T. Dao et al., "FlashAttention", 2022, section 3, has the backward pass used here.
//
// Legend: T tokens, W width of a row (queries, keys, values), Q width of all query heads.
//
// Pointers live in the closures that give them; all shapes are checked before the first.
internal import CKernels

extension Kernels {
  /// output = softmax(q k^T / sqrt(D)) v for each head; keeps what the backward needs.
  ///
  /// Both products are made in `arithmetic`, and all else is single precision.
  ///
  /// - Precondition: `qkv_TW` is whole and as wide as the shape says; each of its rows is one
  ///   sequence's own; prefixes are rows of it.
  public static func attend(
    _ qkv_TW: Matrix, _ shape: AttentionShape, _ sequences: [SequenceRows],
    in arithmetic: ProductArithmetic = .float32, statistics: inout AttentionStatistics,
    scratch: inout AttentionScratch, into output_TQ: inout Matrix
  ) {
    check(qkv_TW, shape, sequences)
    precondition(output_TQ.columnCount == shape.queryWidth, "\(shape) into \(output_TQ.shape)")
    output_TQ.resize(rows: qkv_TW.rowCount)
    statistics.resize(count: qkv_TW.rowCount * shape.headCount)
    useOneThread
    qkv_TW.withPointer { qkv in
      withPointers(to: &output_TQ.values, &statistics.maxima, &statistics.reciprocals) {
        output, maxima, reciprocals in
        scratch.withPointers(shape, sequences, arithmetic) { memory in
          AttentionBlock.forEach(shape, sequences) { block in
            block.gather(
              from: qkv, stride: shape.rowWidth, scale: shape.scoreScale, into: memory.queries)
            block.gatherKeys(from: qkv, into: memory.keys, values: memory.values)
            block.prepareOperands(of: memory)
            block.scores(
              of: memory.queries, keys: memory.keys, into: memory.scores, by: memory.products)
            var rows = block.scoreRows
            let offset = block.statisticOffset
            tern_softmax(&rows, memory.scores, maxima + offset, reciprocals + offset)
            memory.products.prepare(memory.scores, count: block.scoreCount)
            block.combine(
              memory.scores, values: memory.values, into: memory.outputs, by: memory.products)
            block.scatter(memory.outputs, scale: 1, into: output, stride: shape.queryWidth)
          }
        }
      }
    }
  }

  /// The gradient of queries, keys and values, given the output and its gradient.
  ///
  /// - Precondition: everything else is as the forward had it and left it.
  public static func attendBackward(
    _ qkv_TW: Matrix, _ shape: AttentionShape, _ sequences: [SequenceRows],
    in arithmetic: ProductArithmetic = .float32, output_TQ: Matrix, gradient_TQ: Matrix,
    statistics: AttentionStatistics,
    scratch: inout AttentionScratch, into dqkv_TW: inout Matrix
  ) {
    check(qkv_TW, shape, sequences)
    let rowCount = qkv_TW.rowCount * shape.headCount
    precondition(
      output_TQ.shape == [qkv_TW.rowCount, shape.queryWidth] && output_TQ.isWhole
        && gradient_TQ.shape == output_TQ.shape && gradient_TQ.isWhole
        && dqkv_TW.columnCount == shape.rowWidth && statistics.maxima.count >= rowCount,
      "\(shape): \(qkv_TW.shape), \(output_TQ.shape), \(gradient_TQ.shape), \(dqkv_TW.shape)")
    dqkv_TW.resize(rows: qkv_TW.rowCount)
    dqkv_TW.clear()
    grow(&scratch.dots, to: rowCount)
    tern_row_dots(
      rowCount, shape.headWidth, output_TQ.values, gradient_TQ.values, &scratch.dots)
    useOneThread
    qkv_TW.withPointer { qkv in
      gradient_TQ.withPointer { gradient in
        withPointers(from: statistics.maxima, statistics.reciprocals, scratch.dots) { known in
          dqkv_TW.values.withUnsafeMutableBufferPointer { dqkv in
            guard let dqkv = dqkv.baseAddress else { return }
            scratch.withPointers(shape, sequences, arithmetic) { memory in
              AttentionBlock.forEach(shape, sequences) { block in
                backward(block, qkv, gradient, known, memory, to: dqkv)
              }
            }
          }
        }
      }
    }
  }

  private static func backward(
    _ block: AttentionBlock, _ qkv: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>,
    _ known: KnownPointers, _ memory: ScratchPointers, to dqkv: UnsafeMutablePointer<Float>
  ) {
    let (shape, scale) = (block.shape, block.shape.scoreScale)
    let products = memory.products
    block.gather(from: qkv, stride: shape.rowWidth, scale: scale, into: memory.queries)
    block.gather(from: gradient, stride: shape.queryWidth, scale: 1, into: memory.outputs)
    block.gatherKeys(from: qkv, into: memory.keys, values: memory.values)
    block.prepareOperands(of: memory)
    products.prepare(memory.outputs, count: block.rowCount * shape.headWidth)
    block.scores(of: memory.queries, keys: memory.keys, into: memory.scores, by: products)
    block.scores(
      of: memory.outputs, keys: memory.values, into: memory.scoreGradients, by: products)
    var rows = block.scoreRows
    let offset = block.statisticOffset
    tern_softmax_backward(
      &rows, known.maxima + offset, known.reciprocals + offset, known.dots + offset,
      memory.scores, memory.scoreGradients)
    products.prepare(memory.scores, count: block.scoreCount)
    products.prepare(memory.scoreGradients, count: block.scoreCount)
    block.transpose(
      memory.scores, rows: memory.outputs, into: memory.keyGradients, by: products)
    block.addKeyGradients(memory.keyGradients, areValues: true, to: dqkv)
    block.transpose(
      memory.scoreGradients, rows: memory.queries, into: memory.keyGradients, by: products)
    block.addKeyGradients(memory.keyGradients, areValues: false, to: dqkv)
    block.combine(memory.scoreGradients, values: memory.keys, into: memory.outputs, by: products)
    block.scatter(memory.outputs, scale: scale, into: dqkv, stride: shape.rowWidth)
  }

  private static func check(_ qkv: Matrix, _ shape: AttentionShape, _ sequences: [SequenceRows]) {
    precondition(
      qkv.columnCount == shape.rowWidth && qkv.isWhole, "\(shape) in \(qkv.shape)")
    var next = 0
    for sequence in sequences {
      precondition(
        sequence.own.lowerBound == next && !sequence.own.isEmpty
          && sequence.prefix.lowerBound >= 0 && sequence.prefix.upperBound <= next,
        "a sequence of rows \(sequence.prefix) and \(sequence.own), after row \(next)")
      next = sequence.own.upperBound
    }
    precondition(next == qkv.rowCount, "sequences of \(next) rows in \(qkv.shape)")
  }
}
