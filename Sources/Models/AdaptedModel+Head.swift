// SPDX-License-Identifier: Apache-2.0
//
// Legend: R rows with targets, C width, V vocabulary.
internal import Checkpoints
internal import Tensors

extension AdaptedModel {
  /// How many rows of logits exist at once.
  static let logitRowCount = 128

  /// Each target's score, from the last block's output `stream_RC`, which is of `partCount` parts.
  ///
  /// With a weight, replaces the stream by the gradient of minus the sum of their log-probabilities
  /// times the weight; then logits are computed only once.
  func head(
    _ batch: BatchLayout, partCount: Int, _ stream_RC: inout Matrix, _ scratch: inout Scratch,
    gradientWeight weight: Double?
  ) -> [TargetScore] {
    base.finalNorm.forward(
      stream_RC, statistics: &scratch.headStatistics, into: &scratch.normed_TC)
    if weight != nil { scratch.dNormed_TC.resize(rows: stream_RC.rowCount) }
    let none = TargetScore(token: 0, logProbability: 0, likeliest: -1)
    var scores = [TargetScore](repeating: none, count: batch.predictions.count)
    var predictions = batch.predictions[...]
    for (rows, parts) in Self.logitRows(of: stream_RC.rowCount, partCount: partCount) {
      scratch.logits_RV.resize(rows: rows.count)
      base.head_VC.multiply(
        scratch.normed_TC.rows(rows), partCount: parts, into: &scratch.logits_RV,
        in: &scratch.tile)
      for row in rows {
        let here = predictions.prefix { $0.row == row }
        predictions = predictions.dropFirst(here.count)
        score(
          here, row - rows.lowerBound, &scratch.logits_RV, gradientWeight: weight, into: &scores)
      }
      guard weight != nil else { continue }
      base.head_VC.multiplyTransposed(
        scratch.logits_RV, into: &scratch.dNormed_TC, firstRow: rows.lowerBound, in: &scratch.tile)
    }
    if weight != nil { replaceByGradient(&stream_RC, &scratch) }
    return scores
  }

  /// The rows whose logits exist at once, and how many parts these are: some whole parts, or some
  /// rows of one, so that the products for a part are the same whatever others there are.
  private static func logitRows(
    of rowCount: Int, partCount: Int
  ) -> [(rows: Range<Int>, partCount: Int)] {
    let length = rowCount / partCount
    guard length > logitRowCount else {
      let together = logitRowCount / length
      return stride(from: 0, to: partCount, by: together).map { first in
        let parts = first..<min(partCount, first + together)
        return ((parts.lowerBound * length)..<(parts.upperBound * length), parts.count)
      }
    }
    return (0..<partCount).flatMap { part in
      stride(from: 0, to: length, by: logitRowCount).map { first in
        let start = part * length
        return ((start + first)..<(start + min(length, first + logitRowCount)), 1)
      }
    }
  }

  /// The scores of the targets of one row of logits.
  ///
  /// With a weight, replaces the row by the gradient of minus the sum of their log-probabilities times
  /// the weight: each target's is softmax - one-hot.
  private func score(
    _ predictions: ArraySlice<BatchLayout.Prediction>, _ row: Int, _ logits_RV: inout Matrix,
    gradientWeight: Double?, into scores: inout [TargetScore]
  ) {
    let normalizer = Kernels.logSumExp(of: logits_RV, row: row)
    let (start, logarithm) = (row * logits_RV.stride, normalizer.value)
    var likeliest: Int32?
    for prediction in predictions {
      let logit = logits_RV.values[start + Int(prediction.token)]
      if logit != normalizer.maximum, likeliest == nil {
        likeliest = Int32(Kernels.index(of: normalizer.maximum, in: logits_RV, row: row) ?? -1)
      }
      scores[prediction.index] = TargetScore(
        token: prediction.token, logProbability: Double(logit) - logarithm,
        likeliest: logit == normalizer.maximum ? prediction.token : likeliest ?? -1)
    }
    guard let gradientWeight else { return }
    Kernels.replaceByLogSumExpGradient(
      &logits_RV, row: row, normalizer, weight: gradientWeight * Double(predictions.count))
    for prediction in predictions {
      logits_RV.values[start + Int(prediction.token)] -= Float(gradientWeight)
    }
  }

  /// Through the last norm: the stream becomes its gradient.
  private func replaceByGradient(_ stream_RC: inout Matrix, _ scratch: inout Scratch) {
    swap(&stream_RC, &scratch.dStream_TC)
    stream_RC.resize(rows: scratch.dStream_TC.rowCount)
    stream_RC.clear()
    base.finalNorm.addGradient(
      scratch.dNormed_TC, x: scratch.dStream_TC, statistics: scratch.headStatistics,
      to: &stream_RC)
  }
}
