// SPDX-License-Identifier: Apache-2.0
internal import CKernels

extension Kernels {
  /// The natural logarithm of a positive, normal number: the same bits on every machine.
  public static func logarithm(of x: Double) -> Double {
    precondition(x >= Double.leastNormalMagnitude && x.isFinite, "the logarithm of \(x)")
    return tern_log(x)
  }

  /// What a row's log-probabilities and their gradient follow from.
  public struct LogSumExp: Sendable {
    /// The largest logit.
    public let maximum: Float
    /// The sum of e^(logit - maximum).
    public let sum: Double

    /// The logarithm of the sum of all e^logit.
    public var value: Double { Double(maximum) + tern_log(sum) }
  }

  /// The first column in which a row has `value`; nil if it has it nowhere.
  ///
  /// - Precondition: the matrix is whole and has this row.
  public static func index(of value: Float, in matrix: Matrix, row: Int) -> Int? {
    precondition(
      row >= 0 && row < matrix.rowCount && matrix.isWhole, "row \(row), \(matrix.shape)")
    var index = matrix.columnCount
    matrix.withPointer {
      index = tern_index_of(matrix.columnCount, value, $0 + row * matrix.stride)
    }
    return index < matrix.columnCount ? index : nil
  }

  /// The log-sum-exp of a row of logits.
  ///
  /// - Precondition: the logits are whole and have this row. They are finite, or the result is not.
  public static func logSumExp(of logits: Matrix, row: Int) -> LogSumExp {
    precondition(row >= 0 && row < logits.rowCount && logits.isWhole, "row \(row), \(logits.shape)")
    var (maximum, sum): (Float, Double) = (0, 0)
    logits.withPointer {
      tern_log_sum_exp(logits.columnCount, $0 + row * logits.stride, &maximum, &sum)
    }
    return LogSumExp(maximum: maximum, sum: sum)
  }

  /// Replaces a row of logits by `weight` times the gradient of its log-sum-exp.
  ///
  /// - Precondition: the logits are whole and have this row.
  public static func replaceByLogSumExpGradient(
    _ logits: inout Matrix, row: Int, _ known: LogSumExp, weight: Double
  ) {
    precondition(row >= 0 && row < logits.rowCount && logits.isWhole, "row \(row), \(logits.shape)")
    let (count, start) = (logits.columnCount, row * logits.stride)
    logits.values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      tern_softmax_gradient(count, known.maximum, known.sum, weight, base + start)
    }
  }
}
