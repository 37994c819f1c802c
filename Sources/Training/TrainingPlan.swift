// SPDX-License-Identifier: Apache-2.0
public import Models

/// How the workers of a run learn in a round.
public enum TrainingPlan: Hashable, Codable, Sendable {
  /// By gradients, from backpropagation.
  case gradient(GradientTraining)
  /// By losses alone, in the memory of a forward pass.
  case zerothOrder(ZerothOrderTraining)

  /// Steps between receiving a version and answering.
  public var localSteps: Int {
    switch self {
    case .gradient(let settings): settings.localSteps
    case .zerothOrder(let settings): settings.localSteps
    }
  }

  /// Examples a step.
  public var batchSize: Int {
    switch self {
    case .gradient(let settings): settings.batchSize
    case .zerothOrder(let settings): settings.batchSize
    }
  }

  /// What frozen weights have to be multiplied in when nobody says; nil for what is fastest.
  ///
  /// Differences of losses along directions were off by a tenth in bfloat16 with SmolLM2-135M and a
  /// perturbation of 5e-3, which is little beside what one direction says of a gradient; with 1e-3
  /// most of them was noise (`tern benchmark precision`).
  public var precision: ComputeMode? {
    guard case .zerothOrder(let settings) = self, settings.estimator.perturbation < 5e-3 else {
      return nil
    }
    return .f32
  }

  /// The longest example, in tokens.
  public var maximumTokens: Int {
    switch self {
    case .gradient(let settings): settings.maximumTokens
    case .zerothOrder(let settings): settings.maximumTokens
    }
  }
}
