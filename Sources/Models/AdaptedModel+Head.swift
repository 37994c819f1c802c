// SPDX-License-Identifier: Apache-2.0
//
// Legend: R rows with targets, C width, V vocabulary.
internal import Checkpoints
internal import Tensors

extension AdaptedModel {
  /// How many rows of logits exist at once.
  static let logitRowCount = 64

  /// The logarithm of each target's probability, from the last block's output `stream_RC`.
  ///
  /// Can replace the stream by the gradient of the mean loss; then logits are computed only once.
  func head(
    _ batch: TokenBatch, _ stream_RC: inout Matrix, _ scratch: inout Scratch,
    replacingByGradient: Bool
  ) -> [Double] {
    Kernels.normalize(
      stream_RC, weight: base.finalNorm_C, epsilon: base.configuration.normEpsilon,
      reciprocals: &scratch.headReciprocals, into: &scratch.normed_TC)
    scratch.dNormed_TC.resize(rows: stream_RC.rowCount)
    var logProbabilities: [Double] = []
    logProbabilities.reserveCapacity(batch.targets.count)
    var targets = batch.targets[...]
    for first in stride(from: 0, to: stream_RC.rowCount, by: Self.logitRowCount) {
      let rows = first..<min(stream_RC.rowCount, first + Self.logitRowCount)
      scratch.logits_RV.resize(rows: rows.count)
      Kernels.multiply(
        scratch.normed_TC.rows(rows), transposed: base.head_VC, into: &scratch.logits_RV)
      for row in 0..<rows.count {
        let position = targets.first?.position
        let here = targets.prefix { $0.position == position }
        targets = targets.dropFirst(here.count)
        logProbabilities += score(
          here, row, &scratch.logits_RV,
          gradientWeight: replacingByGradient ? 1 / Double(batch.targets.count) : nil)
      }
      guard replacingByGradient else { continue }
      Kernels.multiply(
        scratch.logits_RV, base.head_VC, into: &scratch.dNormed_TC, firstRow: first)
    }
    if replacingByGradient {
      Kernels.copy(stream_RC, into: &scratch.dStream_TC)
      stream_RC.clear()
      Kernels.addNormalizeGradient(
        scratch.dNormed_TC, x: scratch.dStream_TC, weight: base.finalNorm_C,
        reciprocals: scratch.headReciprocals, to: &stream_RC)
    }
    return logProbabilities
  }

  /// The log-probabilities of the targets of one row of logits.
  ///
  /// With a weight, replaces the row by the gradient of minus their sum times the weight:
  /// each target's is softmax - one-hot.
  private func score(
    _ targets: ArraySlice<TokenBatch.Target>, _ row: Int, _ logits_RV: inout Matrix,
    gradientWeight: Double?
  ) -> [Double] {
    let normalizer = Kernels.logSumExp(of: logits_RV, row: row)
    let start = row * logits_RV.stride
    let logProbabilities = targets.map {
      Double(logits_RV.values[start + Int($0.token)]) - normalizer.value
    }
    if let gradientWeight {
      Kernels.replaceByLogSumExpGradient(
        &logits_RV, row: row, normalizer, weight: gradientWeight * Double(targets.count))
      for target in targets {
        logits_RV.values[start + Int(target.token)] -= Float(gradientWeight)
      }
    }
    return logProbabilities
  }
}
