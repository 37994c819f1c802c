// SPDX-License-Identifier: Apache-2.0
public import Models

/// How the workers of a run learn in a round.
public enum TrainingPlan: Hashable, Sendable {
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

  /// Whether the workers take each step together, and losses travel instead of updates.
  public var isBySteps: Bool { sharedSteps != nil }

  /// The settings of steps that the workers take together; nil where each takes its own.
  public var sharedSteps: ZerothOrderTraining? {
    guard case .zerothOrder(let settings) = self, settings.parallelism != nil else { return nil }
    return settings
  }

  /// Examples a step.
  public var batchSize: Int {
    switch self {
    case .gradient(let settings): settings.batchSize
    case .zerothOrder(let settings): settings.batchSize
    }
  }

  /// Refuses settings with which no run of `totalVersions` versions is possible.
  ///
  /// - Throws: `badSetting`.
  public func check(totalVersions: Int) throws(TrainingError) {
    guard totalVersions > 0 else {
      throw .badSetting(name: "versions", value: "\(totalVersions)", allowed: "at least 1")
    }
    switch self {
    case .gradient(let settings): try settings.check()
    case .zerothOrder(let settings): try settings.check(totalVersions: totalVersions)
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

/// As the run file has it: a method, and its settings.
extension TrainingPlan: Codable {
  private enum Method: String, Codable {
    case gradient
    case zerothOrder = "zeroth-order"
  }

  private enum CodingKeys: CodingKey {
    case method, settings
  }

  /// A plan as `encode` writes it.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    switch try container.decode(Method.self, forKey: .method) {
    case .gradient: self = .gradient(try container.decode(GradientTraining.self, forKey: .settings))
    case .zerothOrder:
      self = .zerothOrder(try container.decode(ZerothOrderTraining.self, forKey: .settings))
    }
  }

  /// Writes the method's name and its settings.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .gradient(let settings):
      try container.encode(Method.gradient, forKey: .method)
      try container.encode(settings, forKey: .settings)
    case .zerothOrder(let settings):
      try container.encode(Method.zerothOrder, forKey: .method)
      try container.encode(settings, forKey: .settings)
    }
  }
}
