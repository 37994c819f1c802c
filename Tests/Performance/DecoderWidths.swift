// SPDX-License-Identifier: Apache-2.0
internal import Tensors

/// The widths of a decoder that decide its adapter's layout.
struct DecoderWidths {
  /// A model of 8 billion parameters.
  static let large = DecoderWidths(
    layerCount: 32, width: 4096, keyValueWidth: 1024, feedForwardWidth: 14_336)
  /// SmolLM2-135M.
  static let small = DecoderWidths(
    layerCount: 30, width: 576, keyValueWidth: 192, feedForwardWidth: 1536)

  let layerCount: Int
  let width: Int
  let keyValueWidth: Int
  let feedForwardWidth: Int

  /// The layout of LoRA factors on all seven projections.
  func layout(rank: Int, both: Bool) -> ParameterLayout {
    let projections = [
      ("q", width, width), ("k", width, keyValueWidth), ("v", width, keyValueWidth),
      ("o", width, width), ("gate", width, feedForwardWidth), ("up", width, feedForwardWidth),
      ("down", feedForwardWidth, width),
    ]
    var tensors: [(name: String, shape: [Int])] = []
    for layer in 0..<layerCount {
      for (name, input, output) in projections {
        if both { tensors.append(("\(layer).\(name).lora_A", [rank, input])) }
        tensors.append(("\(layer).\(name).lora_B", [output, rank]))
      }
    }
    return ParameterLayout(tensors)
  }
}
