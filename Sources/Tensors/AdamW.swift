// SPDX-License-Identifier: Apache-2.0
internal import CKernels

/// Adam with decoupled weight decay, as `torch.optim.AdamW` computes it.
///
/// I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2.
public struct AdamW: Sendable {
  /// What does not change between steps.
  public struct Settings: Hashable, Codable, Sendable {
    /// How slowly the mean of the gradients changes.
    public var beta1: Float
    /// How slowly the mean of their squares changes.
    public var beta2: Float
    /// What keeps the denominator away from zero.
    public var epsilon: Float
    /// The part of every parameter, times the learning rate, that a step takes away.
    public var weightDecay: Float

    /// Settings, by default those of torch without decay.
    public init(
      beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8, weightDecay: Float = 0
    ) {
      self.beta1 = beta1
      self.beta2 = beta2
      self.epsilon = epsilon
      self.weightDecay = weightDecay
    }
  }

  /// What does not change between steps.
  public let settings: Settings
  /// The number of steps done.
  public private(set) var stepCount = 0

  private var firstMoments: [Float]
  private var secondMoments: [Float]
  // beta^t, multiplied up: a pow() may differ between machines.
  private var power1 = 1.0
  private var power2 = 1.0

  /// An optimizer of `count` parameters that has done no step.
  public init(settings: Settings = Settings(), count: Int) {
    self.settings = settings
    firstMoments = [Float](repeating: 0, count: count)
    secondMoments = firstMoments
  }

  /// The means of the gradients and of their squares.
  public var moments: [[Float]] { [firstMoments, secondMoments] }

  /// Goes on with the moments of another optimizer with the same settings, after `stepCount` steps.
  ///
  /// - Precondition: they are as long as this optimizer was made for.
  public mutating func restore(first: [Float], second: [Float], stepCount: Int) {
    precondition(
      first.count == firstMoments.count && second.count == secondMoments.count && stepCount >= 0,
      "\(first.count) and \(second.count) moments for \(firstMoments.count) parameters")
    (firstMoments, secondMoments, self.stepCount) = (first, second, stepCount)
    (power1, power2) = (1, 1)
    for _ in 0..<stepCount {
      power1 *= Double(settings.beta1)
      power2 *= Double(settings.beta2)
    }
  }

  /// Moves `parameters` against `gradient`.
  ///
  /// - Precondition: both are as long as the optimizer was made for.
  public mutating func step(
    _ parameters: inout ParameterVector, gradient: ParameterVector, learningRate: Float
  ) {
    precondition(parameters.layout == gradient.layout, "a gradient of another layout")
    step(&parameters.values, gradient: gradient.values, learningRate: learningRate)
  }

  /// Moves `parameters` against `gradient`.
  ///
  /// - Precondition: both are as long as the optimizer was made for.
  public mutating func step(_ parameters: inout [Float], gradient: [Float], learningRate: Float) {
    let count = firstMoments.count
    precondition(
      parameters.count == count && gradient.count == count,
      "\(parameters.count) parameters, \(gradient.count) gradients, optimizer for \(count)")
    stepCount += 1
    power1 *= Double(settings.beta1)
    power2 *= Double(settings.beta2)
    tern_adamw(
      count, learningRate, settings.weightDecay, settings.beta1, settings.beta2, settings.epsilon,
      1 - power1, 1 - power2, gradient, &firstMoments, &secondMoments, &parameters)
  }
}
