// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// How a worker trains by gradients: the optimizer, its schedule, and its batches.
public struct GradientTraining: Hashable, Codable, Sendable {
  /// How the learning rate goes on after the warm-up.
  public enum Schedule: String, Codable, Sendable {
    /// Down to zero at the run's last step, along half a cosine.
    case cosine
    /// The same to the end.
    case constant

    /// The share of the full rate that step `step` of `stepCount` has.
    func share(atStep step: Int, of stepCount: Int) -> Double {
      switch self {
      case .constant: 1
      case .cosine: 0.5 * (1 + cos(.pi * min(1, Double(step) / Double(max(1, stepCount)))))
      }
    }
  }

  /// Steps between receiving a version and answering.
  public var localSteps: Int
  /// Examples a step.
  public var batchSize: Int
  /// AdamW's step size after the warm-up.
  public var learningRate: Double
  /// Steps of the run over which the learning rate rises from zero.
  public var warmup: Int
  /// How the learning rate goes on.
  public var schedule: Schedule
  /// AdamW's decoupled weight decay.
  public var weightDecay: Double
  /// The share that the mean of the gradients keeps.
  public var beta1: Double
  /// The share that the mean of their squares keeps.
  public var beta2: Double
  /// What is added to the root of that mean.
  public var epsilon: Double
  /// The largest norm of a gradient, to which longer ones are shortened; nil for no limit.
  public var gradientClip: Double?
  /// The longest example, in tokens.
  public var maximumTokens: Int

  /// Settings, each with a usual value.
  public init(
    localSteps: Int = 4, batchSize: Int = 16, learningRate: Double = 1e-3, warmup: Int = 0,
    schedule: Schedule = .cosine, weightDecay: Double = 0, beta1: Double = 0.9,
    beta2: Double = 0.999, epsilon: Double = 1e-8, gradientClip: Double? = 1,
    maximumTokens: Int = 512
  ) {
    self.localSteps = localSteps
    self.batchSize = batchSize
    self.learningRate = learningRate
    self.warmup = warmup
    self.schedule = schedule
    self.weightDecay = weightDecay
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.gradientClip = gradientClip
    self.maximumTokens = maximumTokens
  }

  /// The learning rate of step `step` of `stepCount`, both over the whole run.
  ///
  /// It rises in equal parts to its full value at step `warmup` - 1; a cosine falls from there
  /// on, and would be zero one step after the last.
  public func learningRate(atStep step: Int, of stepCount: Int) -> Double {
    if step < warmup { return learningRate * Double(step + 1) / Double(warmup) }
    return learningRate * schedule.share(atStep: step - warmup, of: stepCount - warmup)
  }

  /// Refuses settings with which no training is possible.
  ///
  /// - Throws: `badSetting` with the setting's name, its value, and what is allowed.
  public func check() throws(TrainingError) {
    for (name, value, least) in [
      ("localSteps", localSteps, 1), ("batchSize", batchSize, 1), ("warmup", warmup, 0),
      ("maximumTokens", maximumTokens, 2),
    ] where !(least...1_000_000).contains(value) {
      throw .badSetting(name: name, value: "\(value)", allowed: "from \(least) to 1000000")
    }
    for (name, value) in [
      ("learningRate", learningRate), ("epsilon", epsilon), ("gradientClip", gradientClip ?? 1),
    ] where !(value > 0 && value.isFinite) {
      throw .badSetting(name: name, value: "\(value)", allowed: "positive and finite")
    }
    for (name, value) in [("beta1", beta1), ("beta2", beta2)] where !(0..<1).contains(value) {
      throw .badSetting(name: name, value: "\(value)", allowed: "at least 0 and below 1")
    }
    guard weightDecay >= 0 && weightDecay.isFinite else {
      throw .badSetting(name: "weightDecay", value: "\(weightDecay)", allowed: "at least 0")
    }
  }
}
