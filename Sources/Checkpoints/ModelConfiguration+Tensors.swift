// SPDX-License-Identifier: Apache-2.0

extension ModelConfiguration {
  /// The name and shape of every tensor that the model is made of, in Hugging Face's notation.
  ///
  /// A tied head has no tensor of its own.
  public var tensorShapes: [(name: String, shape: [Int])] {
    let architecture = architecture
    var shapes = [("\(architecture.embedding).weight", [vocabularySize, width])]
    if case .learned(let table, let first) = architecture.positions {
      shapes.append(("\(table).weight", [first + contextLength, width]))
    }
    let blockShapes = blockShapes
    for layer in 0..<layerCount {
      let block = block(layer)
      shapes += blockShapes.map { ("\(block).\($0)", $1) }
    }
    shapes += normShapes(architecture.finalNorm)
    if !tiedHead { shapes.append(("\(architecture.head).weight", [vocabularySize, width])) }
    return shapes
  }

  /// The tensors of one block.
  private var blockShapes: [(String, [Int])] {
    let architecture = architecture
    var shapes = normShapes(architecture.attentionNorm) + normShapes(architecture.feedForwardNorm)
    if queryKeyNorm {
      shapes += [
        ("self_attn.q_norm.weight", [headWidth]), ("self_attn.k_norm.weight", [headWidth]),
      ]
    }
    for layer in linearLayers {
      let (outputs, inputs) = (layer.outputWidth, layer.inputWidth)
      shapes.append(
        (
          "\(layer.path).weight",
          architecture.storesInputsFirst ? [inputs, outputs] : [outputs, inputs]
        ))
      if layer.hasBias { shapes.append(("\(layer.path).bias", [outputs])) }
    }
    return shapes
  }

  private func normShapes(_ name: String) -> [(String, [Int])] {
    let weight = ("\(name).weight", [width])
    return architecture.norm == .layer ? [weight, ("\(name).bias", [width])] : [weight]
  }
}
