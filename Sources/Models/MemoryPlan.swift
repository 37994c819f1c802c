// SPDX-License-Identifier: Apache-2.0
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

  /// No batch at all.
  public static let none = BatchExtent(tokenCount: 0, targetRowCount: 0, longestSequence: 0)

  /// The extent of `count` such batches side by side.
  func times(_ count: Int) -> BatchExtent {
    BatchExtent(
      tokenCount: count * tokenCount, targetRowCount: count * targetRowCount,
      longestSequence: longestSequence)
  }

  /// The least extent in which either batch fits.
  func union(_ other: BatchExtent) -> BatchExtent {
    BatchExtent(
      tokenCount: max(tokenCount, other.tokenCount),
      targetRowCount: max(targetRowCount, other.targetRowCount),
      longestSequence: max(longestSequence, other.longestSequence))
  }
}

/// What a step of training takes in memory, known before it is made; in bytes.
public struct MemoryPlan: Hashable, Sendable {
  /// The model's matrices.
  public let weights: Int
  /// How much of them is mapped as it is stored, and shared by all processes that use it.
  public let sharedWeights: Int
  /// The adapter, its gradient, and what else is as large; and what of it is not learned.
  public let vectors: Int
  /// What is kept of the forward pass for the backward, and what both compute in.
  public let activations: Int
  /// What the program has beside them.
  public let others: Int
  /// How many threads compute.
  public let threadCount: Int
  /// What each of them computes at a time.
  public let pass: Pass

  /// How many blocks are computed again in the backward instead of being kept.
  public var recomputedBlockCount: Int { pass.recomputedBlockCount }
  /// How many adapters each thread computes the loss with at once; 1 for anything but such losses.
  public var adapterCount: Int {
    if case .forward(let count) = pass { count } else { 1 }
  }

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
      (0...passedLayers.count).lazy.map { count in
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
      recomputing: passedLayers.count)
  }

  /// The plan of a forward pass alone.
  public func forwardMemoryPlan(
    of extent: BatchExtent, vectorCount: Int, others: Int = 0
  ) -> MemoryPlan {
    memoryPlan(
      .forward(adapterCount: 1), of: extent, threadCount: 1, vectors: vectorCount, others: others)
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
      .forward(adapterCount: adapterCount), of: extent, threadCount: threadCount,
      vectors: vectorCount + threadCount * adapterCount, others: others)
  }

  /// With so many rows it hardly takes time any more to expand the frozen weights for them.
  private static let usefulRowCount = 2048

  /// The plan of a step that computes `count` blocks twice.
  func memoryPlan(
    of extent: BatchExtent, threadCount: Int, vectorCount: Int, others: Int,
    recomputing count: Int
  ) -> MemoryPlan {
    memoryPlan(
      .step(recomputing: count), of: extent, threadCount: threadCount,
      vectors: vectorCount + threadCount, others: others)
  }

  /// What the adapter has beside its parameters: factors A that are frozen, and the places of a sparse
  /// one; in bytes.
  private var frozenByteCount: Int {
    blocks.reduce(0) { $0 + $1.frozenCount } * MemoryLayout<Float>.size
      + weightModules.reduce(0) { sum, module in
        if case .sparse(let places) = module.form { sum + places.byteCount } else { sum }
      }
  }

  private func memoryPlan(
    _ pass: Pass, of extent: BatchExtent, threadCount: Int, vectors: Int, others: Int
  ) -> MemoryPlan {
    var arena = Arena.counting
    _ = Workspace(for: self, pass, of: extent, in: &arena)
    let matrices = base.matricesBesideBlocks + blockMatrices
    return MemoryPlan(
      weights: matrices.reduce(0) { $0 + $1.byteCount },
      sharedWeights: matrices.reduce(0) { $0 + ($1.isMapped ? $1.byteCount : 0) },
      vectors: vectors * layout.count * MemoryLayout<Float>.size + frozenByteCount,
      activations: threadCount * arena.byteCount, others: others, threadCount: threadCount,
      pass: pass)
  }
}
