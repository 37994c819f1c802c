// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens, R rows with targets, C width, W queries + keys + values, Q all query heads,
// F feed-forward width, K ranks of a site, V vocabulary.
internal import Checkpoints
internal import Tensors

/// How large batches are, at most.
public struct BatchExtent: Hashable, Sendable {
  /// The number of tokens.
  public var tokenCount: Int
  /// The number of tokens after which something is predicted.
  public var targetRowCount: Int
  /// The number of tokens of the longest sequence.
  public var longestSequence: Int

  /// An extent of its parts.
  public init(tokenCount: Int, targetRowCount: Int, longestSequence: Int) {
    self.tokenCount = tokenCount
    self.targetRowCount = targetRowCount
    self.longestSequence = longestSequence
  }
}

/// What a step of training takes in memory, known before it is made; in bytes.
public struct MemoryPlan: Hashable, Sendable {
  /// The model's matrices.
  public let weights: Int
  /// How much of them is mapped as it is stored, and shared by all processes that use it.
  public let sharedWeights: Int
  /// The adapter, its gradient, and what else is as large.
  public let vectors: Int
  /// What is kept of the forward pass for the backward, and what both compute in.
  public let activations: Int
  /// What the program has beside them.
  public let others: Int
  /// How many threads compute.
  public let threadCount: Int
  /// How many blocks are computed again in the backward instead of being kept.
  public let recomputedBlockCount: Int
  /// How many adapters each thread computes the loss with at once; 1 for anything but such losses.
  public let adapterCount: Int

  /// All of it.
  public var byteCount: Int { weights + vectors + activations + others }
}

extension AdaptedModel {
  /// The plan of a step on as many threads as `budget` allows, that keeps as much as it allows and
  /// computes the rest twice.
  ///
  /// - Parameters:
  ///   - threadCount: how many threads compute such a batch each, at most.
  ///   - vectorCount: how many vectors as large as the adapter there are, beside one for each thread.
  ///   - others: the bytes that are needed for anything else.
  ///   - budget: the most bytes that the plan may have; nil for as many as are useful.
  /// - Throws: `memory` when the least plan has more.
  public func memoryPlan(
    of extent: BatchExtent, threadCount: Int = 1, vectorCount: Int, others: Int = 0,
    budget: Int? = nil
  ) throws(ModelError) -> MemoryPlan {
    let most = min(threadCount, BatchExtent.maximumPartCount)
    let plans = (1...most).reversed().lazy.flatMap { threads in
      (0...passedBlockCount).lazy.map { count in
        memoryPlan(
          of: extent, threadCount: threads, vectorCount: vectorCount, others: others,
          recomputing: count)
      }
    }
    if let plan = plans.first(where: { $0.byteCount <= budget ?? .max }) { return plan }
    let least = leastMemoryPlan(of: extent, vectorCount: vectorCount, others: others)
    throw .memory(budget: budget ?? .max, least: least.byteCount)
  }

  /// The plan of a step on one thread that keeps nothing that can be computed twice.
  public func leastMemoryPlan(
    of extent: BatchExtent, vectorCount: Int, others: Int = 0
  ) -> MemoryPlan {
    memoryPlan(
      of: extent, threadCount: 1, vectorCount: vectorCount, others: others,
      recomputing: passedBlockCount)
  }

  /// How many blocks the backward passes.
  private var passedBlockCount: Int {
    lowestAdaptedLayer.map { base.configuration.layerCount - $0 } ?? 0
  }

  /// The plan of a forward pass alone.
  public func forwardMemoryPlan(
    of extent: BatchExtent, vectorCount: Int, others: Int = 0
  ) -> MemoryPlan {
    memoryPlan(
      elements: forwardCount(of: extent, adapterCount: 1), threadCount: 1, vectors: vectorCount,
      others: others)
  }

  /// The plan of forward passes with `adapterCount` adapters in all, on as many threads and with as
  /// many adapters at once as are useful and `budget` allows.
  ///
  /// - Parameters: as for a step; the adapters that are computed at once are not among the vectors.
  /// - Throws: `memory` when even one adapter on one thread needs more.
  public func memoryPlan(
    ofLossesOf extent: BatchExtent, adapterCount: Int, threadCount: Int = 1, vectorCount: Int,
    others: Int = 0, budget: Int? = nil
  ) throws(ModelError) -> MemoryPlan {
    precondition(adapterCount > 0 && threadCount > 0, "\(adapterCount) on \(threadCount)")
    let useful = max(2, Self.usefulRowCount / max(1, extent.tokenCount))
    for threads in (1...threadCount).reversed() {
      let each = (adapterCount + threads - 1) / threads
      for atOnce in (1...min(useful, each)).reversed() {
        let plan = lossesMemoryPlan(
          of: extent, adapterCount: atOnce, threadCount: threads, vectorCount: vectorCount,
          others: others)
        if plan.byteCount <= budget ?? .max { return plan }
      }
    }
    let least = leastMemoryPlan(ofLossesOf: extent, vectorCount: vectorCount, others: others)
    throw .memory(budget: budget ?? .max, least: least.byteCount)
  }

  /// The plan of forward passes with one adapter after the other, on one thread.
  public func leastMemoryPlan(
    ofLossesOf extent: BatchExtent, vectorCount: Int, others: Int = 0
  ) -> MemoryPlan {
    lossesMemoryPlan(
      of: extent, adapterCount: 1, threadCount: 1, vectorCount: vectorCount, others: others)
  }

  private func lossesMemoryPlan(
    of extent: BatchExtent, adapterCount: Int, threadCount: Int, vectorCount: Int, others: Int
  ) -> MemoryPlan {
    memoryPlan(
      elements: forwardCount(of: extent, adapterCount: adapterCount), threadCount: threadCount,
      vectors: vectorCount + threadCount * adapterCount, others: others,
      adapterCount: adapterCount)
  }

  /// With so many rows it hardly takes time any more to expand the frozen weights for them.
  private static let usefulRowCount = 2048

  /// The plan of a step that computes `count` blocks twice.
  func memoryPlan(
    of extent: BatchExtent, threadCount: Int, vectorCount: Int, others: Int,
    recomputing count: Int
  ) -> MemoryPlan {
    let lowest = lowestAdaptedLayer ?? base.configuration.layerCount
    let kept = (lowest..<base.configuration.layerCount).dropFirst(count)
    var elements = kept.reduce(0) { $0 + savedCount(of: extent, layer: $1) }
    // What every block computes in that keeps nothing, and what it leaves.
    if lowest > 0 || count > 0 { elements += savedCount(of: extent, layer: 0) }
    elements += count * extent.tokenCount * base.configuration.width
    elements += scratchCount(of: extent)
    return memoryPlan(
      elements: elements, threadCount: threadCount, vectors: vectorCount + threadCount,
      others: others, recomputing: count)
  }

  private func memoryPlan(
    elements: Int, threadCount: Int, vectors: Int, others: Int, recomputing count: Int = 0,
    adapterCount: Int = 1
  ) -> MemoryPlan {
    MemoryPlan(
      weights: base.matrices.reduce(0) { $0 + $1.byteCount },
      sharedWeights: base.matrices.reduce(0) { $0 + ($1.isMapped ? $1.byteCount : 0) },
      vectors: vectors * layout.count * floatByteCount,
      activations: threadCount * elements * floatByteCount, others: others,
      threadCount: threadCount, recomputedBlockCount: count, adapterCount: adapterCount)
  }

  /// The floats of a `SavedBlock` after the forward of `layer`.
  private func savedCount(of extent: BatchExtent, layer: Int) -> Int {
    let configuration = base.configuration
    let shape = base.attentionShape(layer: 0)
    let isLast = layer == configuration.layerCount - 1
    let (tokens, rows) = (extent.tokenCount, isLast ? extent.targetRowCount : extent.tokenCount)
    let statistics = base.finalNorm.statisticCount
    let headNorms =
      configuration.queryKeyNorm
      ? shape.rowWidth + shape.headCount + shape.keyValueHeadCount : 0
    var count =
      tokens
      * (configuration.width + statistics + headNorms + shape.rowWidth + 2 * shape.headCount
        + shape.queryWidth)
    count += rows * (configuration.width + statistics + configuration.activatedWidth)
    for site in Site.allCases {
      let ranks = blocks[layer][site]?.rankCount ?? 0
      count += (site == .attentionInput ? tokens : rows) * ranks
    }
    return count
  }

  /// The floats of a workspace after a forward pass with some adapters.
  private func forwardCount(of extent: BatchExtent, adapterCount: Int) -> Int {
    let saved = (0..<base.configuration.layerCount).map { savedCount(of: extent, layer: $0) }
    let all = BatchExtent(
      tokenCount: adapterCount * extent.tokenCount,
      targetRowCount: adapterCount * extent.targetRowCount,
      longestSequence: extent.longestSequence)
    return adapterCount * (saved.max() ?? 0) + forwardScratchCount(of: all)
  }

  /// The floats of the stream and of a `Scratch` after a forward pass.
  private func forwardScratchCount(of extent: BatchExtent) -> Int {
    let configuration = base.configuration
    let shape = base.attentionShape(layer: 0)
    let logitRows = min(Self.logitRowCount, extent.targetRowCount)
    let room = base.blocks.flatMap(\.matrices).reduce(base.head_VC.room(forRows: logitRows)) {
      $0.union($1.room(forRows: extent.tokenCount))
    }
    // Stream, norm, activation.
    return extent.tokenCount * (2 * configuration.width + configuration.feedForwardWidth)
      + extent.targetRowCount * (shape.queryWidth + base.finalNorm.statisticCount)
      + logitRows * configuration.vocabularySize
      + AttentionScratch.elementCount(shape, longest: extent.longestSequence, base.arithmetic)
      + room.floatCount
  }

  /// The floats of the stream and of a `Scratch` after a step.
  private func scratchCount(of extent: BatchExtent) -> Int {
    let configuration = base.configuration
    let shape = base.attentionShape(layer: 0)
    let ranks = blocks.flatMap { block in Site.allCases.map { block[$0]?.rankCount ?? 0 } }
    let tokens =
      // Gradients of stream, norm and activation.
      2 * configuration.width + configuration.feedForwardWidth
      // Gradients of attention's output and input; dots and the gradient of x A^T.
      + shape.queryWidth + shape.rowWidth + shape.headCount + (ranks.max() ?? 0)
    return forwardScratchCount(of: extent) + extent.tokenCount * tokens
      + extent.targetRowCount * shape.queryWidth
  }
}

private let floatByteCount = MemoryLayout<Float>.size
