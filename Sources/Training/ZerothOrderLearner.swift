// SPDX-License-Identifier: Apache-2.0
public import Tensors
internal import Updates

/// Zeroth-order training whose result is the change of the adapter, as that of training by gradients
/// is, and the walk that led there.
///
/// Each version is learned by itself: the limit of the scalars starts anew.
public struct ZerothOrderLearner: Sendable {
  private let trainer: ZerothOrderTrainer

  /// The learner that trains as `trainer` does.
  public init(_ trainer: ZerothOrderTrainer) { self.trainer = trainer }

  /// The layout of the adapters that it learns.
  public var layout: ParameterLayout { trainer.layout }

  /// The adapter that a run of this model begins with.
  public var initialAdapter: ParameterVector { trainer.initialAdapter }

  /// Learns from `start`, which is the adapter at `version`.
  ///
  /// - Parameter progress: called after every step with the estimate of the gradient's norm; what it
  ///   throws ends the training.
  /// - Throws: what `progress` throws, and `notFinite` if no loss of any step was finite.
  public func train(
    from start: ParameterVector, version: Int, progress: (StepReport) throws -> Void
  ) throws -> TrainingResult {
    let result = try trainer.train(from: start, version: version) { report in
      try progress(
        StepReport(
          step: report.step, stepCount: report.stepCount, loss: report.estimate.loss ?? .nan,
          tokenCount: report.tokenCount, learningRate: report.learningRate,
          gradientNorm: report.estimate.squaredGradientNorm?.squareRoot() ?? .nan,
          diagnostics: report.diagnostics))
    }
    guard let loss = result.loss else {
      throw TrainingError.notFinite(
        what: "the loss of every query", version: version, step: result.steps.count)
    }
    var delta = result.adapter
    delta.add(start, scaledBy: -1)
    return TrainingResult(
      delta: delta, exampleCount: result.exampleCount, tokenCount: result.tokenCount, loss: loss,
      walk: trainer.walk(of: result.steps))
  }
}
