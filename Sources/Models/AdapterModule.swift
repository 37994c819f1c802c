// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Randomness
public import Tensors

/// One adapted linear layer of a model.
struct AdapterModule: Hashable, Sendable {
  let layer: Int
  let projection: Projection
  let rank: Int
  let scale: Float
  let inputWidth: Int
  let outputWidth: Int

  init(
    layer: Int, projection: Projection, rank: Int, scale: Float,
    in configuration: ModelConfiguration
  ) {
    self.layer = layer
    self.projection = projection
    self.rank = rank
    self.scale = scale
    (outputWidth, inputWidth) = configuration.shape(of: projection)
  }

  /// The layer's path in the model, as PEFT names it.
  var name: String { "model.layers.\(layer).\(projection.path)" }

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
    let index = layer * Projection.allCases.count + projection.index
    var stream = RandomStream(Seed(seed).derived("lora A", UInt64(index)))
    let bound = Float(1 / Double(inputWidth).squareRoot())
    return (0..<(rank * inputWidth)).map { _ in stream.uniform(bound: bound) }
  }
}

extension Projection {
  /// The place in canonical order.
  var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension ModelConfiguration {
  /// The extents of a projection's weights: outputs, inputs.
  func shape(of projection: Projection) -> (outputs: Int, inputs: Int) {
    switch projection {
    case .query: (headCount * headWidth, width)
    case .key, .value: (keyValueHeadCount * headWidth, width)
    case .output: (width, headCount * headWidth)
    case .gate, .up: (feedForwardWidth, width)
    case .down: (width, feedForwardWidth)
    }
  }
}

extension LoRAConfiguration {
  /// The adapted layers of a model: by block, then in canonical order.
  func modules(of configuration: ModelConfiguration) -> [AdapterModule] {
    (0..<configuration.layerCount).flatMap { layer in
      targets.map {
        AdapterModule(layer: layer, projection: $0, rank: rank, scale: scale, in: configuration)
      }
    }
  }

  /// Where the learned tensors lie, known without loading any weights.
  ///
  /// Names are PEFT's; order is by block, then projection, A before B.
  public func layout(for configuration: ModelConfiguration) -> ParameterLayout {
    ParameterLayout(modules(of: configuration).flatMap { $0.tensors(factors) })
  }
}
