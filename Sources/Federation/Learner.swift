// SPDX-License-Identifier: Apache-2.0
public import Tensors
public import Training

/// Learns from data that only one worker has.
///
/// A pure function of its arguments: asked again for the same version, it gives the same bits.
public protocol Learner: Sendable {
  /// The layout of the adapters that it learns.
  var layout: ParameterLayout { get }
  /// Version 0 of a run that it takes part in.
  var initialAdapter: ParameterVector { get }

  /// Learns from `start`, which is the adapter at `version`.
  ///
  /// `progress` is called after each step; what it throws ends the training.
  func train(
    from start: ParameterVector, version: Int, progress: (StepReport) throws -> Void
  ) throws -> TrainingResult
}

extension GradientTrainer: Learner {}
extension ZerothOrderLearner: Learner {}
