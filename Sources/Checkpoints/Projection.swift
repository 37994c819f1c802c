// SPDX-License-Identifier: Apache-2.0

/// What the linear layers of a block compute, by Llama's names: the words in which a plan says what
/// an adapter changes, whatever the model's family calls it.
public enum Projection: String, CaseIterable, Codable, Sendable {
  case query = "q_proj"
  case key = "k_proj"
  case value = "v_proj"
  case output = "o_proj"
  case gate = "gate_proj"
  case up = "up_proj"
  case down = "down_proj"

  /// The place in canonical order.
  public var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }

  /// What is meant by a layer's name, or the end of its path, in any family: `fc1` is `up`, `c_attn`
  /// queries, keys and values, and `c_proj` both layers that GPT-2 calls so; none if it is unknown.
  public static func named(_ name: String) -> [Projection] {
    let meant = Set(
      Architecture.all.flatMap(\.linearLayers)
        .filter { $0.path == name || $0.path.hasSuffix(".\(name)") }.flatMap(\.projections))
    return allCases.filter(meant.contains)
  }
}

/// A linear layer of a block.
public struct LinearLayer: Hashable, Sendable {
  /// The path inside its block, as in `self_attn.q_proj`.
  public let path: String
  /// What it computes: several where their outputs lie side by side.
  public let projections: [Projection]
  /// The number of outputs.
  public let outputWidth: Int
  /// The number of inputs.
  public let inputWidth: Int
  /// Whether it has a bias.
  public let hasBias: Bool
}

extension ModelConfiguration {
  /// The linear layers of each block, in the canonical order of what they compute.
  public var linearLayers: [LinearLayer] {
    architecture.linearLayers.map { path, projections in
      let shapes = projections.map { shape(of: $0) }
      return LinearLayer(
        path: path, projections: projections, outputWidth: shapes.reduce(0) { $0 + $1.outputs },
        inputWidth: shapes[0].inputs, hasBias: hasBias(projections[0]))
    }
  }

  /// The extents of a projection's weights: outputs, inputs.
  public func shape(of projection: Projection) -> (outputs: Int, inputs: Int) {
    switch projection {
    case .query: (headCount * headWidth, width)
    case .key, .value: (keyValueHeadCount * headWidth, width)
    case .output: (width, headCount * headWidth)
    case .gate, .up: (feedForwardWidth, width)
    case .down: (width, feedForwardWidth)
    }
  }

  private func hasBias(_ projection: Projection) -> Bool {
    switch projection {
    case .query, .key, .value: queryKeyValueBias
    case .output: outputBias
    case .gate, .up, .down: feedForwardBias
    }
  }
}
