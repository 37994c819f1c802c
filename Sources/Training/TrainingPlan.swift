// SPDX-License-Identifier: Apache-2.0
public import Models

/// How the workers of a run learn in a round.
public enum TrainingPlan: Hashable, Sendable {
  /// By gradients, from backpropagation.
  case gradient(GradientTraining)
  /// By losses alone, in the memory of a forward pass.
  case zerothOrder(ZerothOrderTraining)
  /// Some workers by gradients, the others by losses alone.
  case mixed(gradient: GradientTraining, zerothOrder: ZerothOrderTraining)

  /// The settings of those who learn by gradients; nil if nobody does.
  public var gradient: GradientTraining? {
    switch self {
    case .gradient(let settings), .mixed(let settings, _): settings
    case .zerothOrder: nil
    }
  }

  /// Whether the workers take each step together, and losses travel instead of updates.
  public var isBySteps: Bool { sharedSteps != nil }

  /// The settings of steps that the workers take together; nil where each takes its own.
  public var sharedSteps: ZerothOrderTraining? {
    guard case .zerothOrder(let settings) = self, settings.parallelism != nil else { return nil }
    return settings
  }

  /// The settings of those who learn by losses alone; nil if nobody does.
  public var zerothOrder: ZerothOrderTraining? {
    switch self {
    case .zerothOrder(let settings), .mixed(_, let settings): settings
    case .gradient: nil
    }
  }

  /// Refuses settings with which no run of `totalVersions` versions is possible.
  ///
  /// - Throws: `badSetting`.
  public func check(totalVersions: Int) throws(TrainingError) {
    guard totalVersions > 0 else {
      throw .badSetting(name: "versions", value: "\(totalVersions)", allowed: "at least 1")
    }
    try gradient?.check()
    try zerothOrder?.check(totalVersions: totalVersions)
  }

  /// Refuses what is not for an adapter of weights: gradients, and what is said of low-rank factors.
  ///
  /// - Throws: `badSetting`.
  public func check(for adapter: AdapterConfiguration) throws(TrainingError) {
    guard case .weights = adapter else { return }
    guard gradient == nil else {
      throw .badSetting(
        name: "training.method", value: zerothOrder == nil ? "gradient" : "mixed",
        allowed: "zeroth-order for an adapter of weights")
    }
    guard zerothOrder?.subspace == nil else {
      throw .badSetting(
        name: "training.subspace-rank", value: "there",
        allowed: "no such key for an adapter of weights, which has no ranks")
    }
    guard zerothOrder?.factors == .b else {
      throw .badSetting(
        name: "training.factors", value: "both",
        allowed: "no such key for an adapter of weights, which has no factors")
    }
  }

  /// What frozen weights have to be multiplied in when nobody says; nil for what is fastest.
  ///
  /// Differences of losses along directions were off by a tenth in bfloat16 with SmolLM2-135M and a
  /// perturbation of 5e-3, which is little beside what one direction says of a gradient; with 1e-3
  /// most of them was noise (`tern benchmark precision`). Where two workers evaluate one sign each, both
  /// must be rounded alike, whatever is fastest on either's machine.
  public var precision: ComputeMode? {
    guard let settings = zerothOrder else { return nil }
    return settings.parallelism == .signs || settings.estimator.perturbation < 5e-3 ? .f32 : nil
  }

  /// The longest example of anybody, in tokens.
  public var maximumTokens: Int {
    max(gradient?.maximumTokens ?? 0, zerothOrder?.maximumTokens ?? 0)
  }
}

/// As the run file has it: a method, and its settings.
extension TrainingPlan: Codable {
  private enum Method: String, Codable {
    case gradient
    case zerothOrder = "zeroth-order"
    case mixed
  }

  private enum CodingKeys: CodingKey {
    case method, settings
  }

  private struct Both: Codable {
    var gradient: GradientTraining
    var zerothOrder: ZerothOrderTraining
  }

  /// A plan as `encode` writes it.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    switch try container.decode(Method.self, forKey: .method) {
    case .gradient: self = .gradient(try container.decode(GradientTraining.self, forKey: .settings))
    case .zerothOrder:
      self = .zerothOrder(try container.decode(ZerothOrderTraining.self, forKey: .settings))
    case .mixed:
      let both = try container.decode(Both.self, forKey: .settings)
      self = .mixed(gradient: both.gradient, zerothOrder: both.zerothOrder)
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
    case .mixed(let gradient, let zerothOrder):
      try container.encode(Method.mixed, forKey: .method)
      try container.encode(
        Both(gradient: gradient, zerothOrder: zerothOrder), forKey: .settings)
    }
  }
}
