// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Tensors

/// What a run learns: factors of products beside the frozen weights, or changes of the weights.
public enum AdapterConfiguration: Hashable, Sendable {
  /// Factors of low rank.
  case lora(LoRAConfiguration)
  /// Changes of the weights themselves.
  case weights(WeightAdapterConfiguration)

  /// Refuses what a model has no place for.
  public func check(_ configuration: ModelConfiguration) throws(ModelError) {
    switch self {
    case .lora(let lora): try lora.check(configuration)
    case .weights(let weights): try weights.check(configuration)
    }
  }

  /// Where the learned tensors lie, known without loading any weights.
  ///
  /// - Precondition: the configuration was checked against the model's.
  public func layout(for configuration: ModelConfiguration) -> ParameterLayout {
    switch self {
    case .lora(let lora): lora.layout(for: configuration)
    case .weights(let weights): weights.layout(for: configuration)
    }
  }
}

extension AdapterConfiguration: Codable {
  private enum CodingKeys: String, CodingKey { case form }

  /// Decodes a configuration; one that says no form is one of low-rank factors.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self =
      values.contains(.form)
      ? .weights(try WeightAdapterConfiguration(from: decoder))
      : .lora(try LoRAConfiguration(from: decoder))
  }

  /// Writes it flat, with its form unless that is of low-rank factors.
  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .lora(let lora): try lora.encode(to: encoder)
    case .weights(let weights): try weights.encode(to: encoder)
    }
  }
}

extension ModelConfiguration {
  /// The linear layers of each block whose projections are all among `targets`, in canonical order.
  ///
  /// - Precondition: the targets are such layers.
  func linearLayers(of targets: [Projection]) -> [LinearLayer] {
    precondition(missingTarget(of: targets) == nil, "\(targets) of \(linearLayers.map(\.path))")
    return linearLayers.filter { $0.projections.allSatisfy(targets.contains) }
  }

  /// Refuses targets that the model does not have, or not as layers of their own; all projections are
  /// as many as there are.
  func check(targets: [Projection]) throws(ModelError) {
    guard let missing = missingTarget(of: targets) else { return }
    throw .unknownTarget(
      missing.rawValue, family: family.rawValue, known: linearLayers.map(\.path))
  }

  private func missingTarget(of targets: [Projection]) -> Projection? {
    guard targets != Projection.allCases else { return nil }
    let covered = linearLayers.map(\.projections).filter { $0.allSatisfy(targets.contains) }
    return targets.first { !covered.joined().contains($0) }
  }

  /// The extents of a linear layer's matrix as it is stored.
  func storedShape(of linear: LinearLayer) -> (rows: Int, columns: Int) {
    architecture.storesInputsFirst
      ? (linear.inputWidth, linear.outputWidth) : (linear.outputWidth, linear.inputWidth)
  }
}
