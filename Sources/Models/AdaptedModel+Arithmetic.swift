// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints

/// How many multiplications and additions a computation takes, where it stores what it needs.
public struct Arithmetic: Hashable, Sendable {
  /// Floating-point operations of the forward pass.
  public let forward: Double
  /// Those of the backward pass.
  public let backward: Double

  /// Those of a step of training.
  public var step: Double { forward + backward }
}

extension AdaptedModel {
  /// What the matrix products of `batch` take: frozen weights, adapter, head, and attention where
  /// its mask keeps something.
  ///
  /// The backward pass is that of the adapter's gradient alone: frozen weights need none.
  public func arithmetic(of batch: TokenBatch) -> Arithmetic {
    let configuration = base.configuration
    let pairs = Double(batch.sequenceLengths.reduce(0) { $0 + attendedPairs(in: $1) })
    let headWidths = Double(configuration.headCount * configuration.headWidth)
    let head =
      2 * Double(targetRowCount(of: batch))
      * Double(configuration.vocabularySize * configuration.width)
    var (forward, backward) = (head, head)
    for layer in 0..<configuration.layerCount {
      for site in Site.allCases {
        let rows = Double(rowCount(of: batch, layer, site))
        for linear in configuration.linearLayers(at: site) {
          let product = 2 * rows * Double(linear.outputWidth * linear.inputWidth)
          forward += product
          if needsInputGradient(layer, site) { backward += product }
        }
      }
      // Scores and values; then scores anew, and back to values, scores, queries and keys.
      forward += 4 * pairs * headWidths
      if needsInputGradient(layer, .attentionOutput) { backward += 10 * pairs * headWidths }
    }
    for placed in modules {
      let module = placed.module
      let site = Site(of: module.linear)
      let unit = 2 * Double(rowCount(of: batch, module.layer, site) * module.rank)
      forward += unit * Double(module.inputWidth + module.outputWidth)
      // B's gradient, the gradient of what A gives, A's, and the input's.
      backward += unit * Double(2 * module.outputWidth)
      if placed.aOffset != nil { backward += unit * Double(module.inputWidth) }
      if needsInputGradient(module.layer, site) { backward += unit * Double(module.inputWidth) }
    }
    return Arithmetic(forward: forward, backward: lowestAdaptedLayer == nil ? 0 : backward)
  }

  /// How many rows a site computes: the last block needs only those with targets after attention.
  private func rowCount(of batch: TokenBatch, _ layer: Int, _ site: Site) -> Int {
    guard layer == base.configuration.layerCount - 1, site != .attentionInput else {
      return batch.tokens.count
    }
    return targetRowCount(of: batch)
  }

  private func targetRowCount(of batch: TokenBatch) -> Int {
    Set(batch.targets.map(\.position)).count
  }

  /// How many keys the queries of a sequence see in all.
  private func attendedPairs(in length: Int) -> Int {
    let window = min(base.configuration.slidingWindow ?? length, length)
    return window * (window + 1) / 2 + (length - window) * window
  }

  /// Whether anything below a site is learned.
  private func needsInputGradient(_ layer: Int, _ site: Site) -> Bool {
    guard let lowest = lowestAdaptedLayer, layer >= lowest else { return false }
    guard layer == lowest, let lowestSite = blocks[layer].lowestSite else { return true }
    return site > lowestSite
  }
}
