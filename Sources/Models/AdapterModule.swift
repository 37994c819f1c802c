// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Randomness
public import Tensors

/// One adapted linear layer of a model.
struct AdapterModule: Hashable, Sendable {
  /// The block's number.
  let layer: Int
  let linear: LinearLayer
  let rank: Int
  let scale: Float
  /// The linear layer's path in the model, as PEFT names it.
  let name: String

  var inputWidth: Int { linear.inputWidth }
  var outputWidth: Int { linear.outputWidth }

  init(
    layer: Int, _ linear: LinearLayer, rank: Int, scale: Float,
    in configuration: ModelConfiguration
  ) {
    self.layer = layer
    self.linear = linear
    self.rank = rank
    self.scale = scale
    name = "\(configuration.block(layer)).\(linear.path)"
  }

  /// The tensors that are learned, A before B.
  func tensors(_ factors: LoRAConfiguration.Factors) -> [(name: String, shape: [Int])] {
    let b = (name: "base_model.model.\(name).lora_B.weight", shape: [outputWidth, rank])
    let a = (name: "base_model.model.\(name).lora_A.weight", shape: [rank, inputWidth])
    return factors == .both ? [a, b] : [b]
  }

  /// A as PEFT draws it: uniform between -1/sqrt(inputWidth) and 1/sqrt(inputWidth).
  ///
  /// The same bits everywhere, and the same whichever other modules are adapted.
  func initialA(seed: UInt64) -> [Float] {
    let index = layer * Projection.allCases.count + linear.projections[0].index
    var stream = RandomStream(Seed(seed).derived("lora A", UInt64(index)))
    let bound = Float(1 / Double(inputWidth).squareRoot())
    return (0..<(rank * inputWidth)).map { _ in stream.uniform(bound: bound) }
  }
}

extension LoRAConfiguration {
  /// The adapted layers of a model: by block, then in canonical order.
  ///
  /// - Precondition: the targets are such layers.
  func modules(of configuration: ModelConfiguration) -> [AdapterModule] {
    let linears = configuration.linearLayers(of: targets)
    return (0..<configuration.layerCount).flatMap { layer in
      linears.map { AdapterModule(layer: layer, $0, rank: rank, scale: scale, in: configuration) }
    }
  }

  /// Refuses targets that a model does not have, or not as layers of their own; all projections are
  /// as many as there are.
  public func check(_ configuration: ModelConfiguration) throws(ModelError) {
    try configuration.check(targets: targets)
  }

  /// Where the learned tensors lie, known without loading any weights.
  ///
  /// Names are PEFT's; order is by block, then projection, A before B.
  ///
  /// - Precondition: the targets are layers of the model.
  public func layout(for configuration: ModelConfiguration) -> ParameterLayout {
    ParameterLayout(modules(of: configuration).flatMap { $0.tensors(factors) })
  }
}
