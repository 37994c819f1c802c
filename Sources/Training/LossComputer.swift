// SPDX-License-Identifier: Apache-2.0
public import Models
internal import Synchronization
public import Tensors

// Contract of the unsafe code: a seat is used by one thread for as long as a batch takes, and by
// nobody between two batches.

/// Losses of batches with many adapters, some at once, on some threads.
///
/// The results are the same bits for any number of threads and of adapters at once.
public final class LossComputer {
  private let model: AdaptedModel
  private let objective: Objective
  private let adapterCount: Int
  private let seats: [Seat]

  /// A computer of `model` with `threadCount` threads, that computes with `adapterCount` adapters at
  /// once on each.
  ///
  /// - Parameter extent: how large parts of batches will be, at most; memory for them is taken at once.
  public init(
    model: AdaptedModel, objective: Objective = .crossEntropy, threadCount: Int = 1,
    adapterCount: Int, extent: BatchExtent = .none
  ) {
    precondition(
      threadCount > 0 && adapterCount > 0, "\(adapterCount) adapters on \(threadCount) threads")
    self.model = model
    self.objective = objective
    self.adapterCount = adapterCount
    seats = (0..<threadCount).map { _ in
      Seat(model, .forward(adapterCount: adapterCount), extent)
    }
  }

  /// The loss with each of `count` adapters.
  ///
  /// - Parameter adapter: makes the adapter of a number; it is kept only while it is computed with.
  /// - Precondition: as for the model's losses.
  public func losses(
    of batch: TokenBatch, count: Int, adapter: @escaping @Sendable (Int) -> ParameterVector
  ) -> [Double] {
    batchLosses(of: batch, count: count, adapter: adapter).map(\.mean)
  }

  /// The same losses, each with those of both halves of the batch, which cost nothing more.
  ///
  /// - Parameter adapter: as for the losses.
  /// - Precondition: as for the losses.
  public func batchLosses(
    of batch: TokenBatch, count: Int, adapter: @escaping @Sendable (Int) -> ParameterVector
  ) -> [BatchLoss] {
    let groups = stride(from: 0, to: count, by: adapterCount).map {
      $0..<min(count, $0 + adapterCount)
    }
    let work = Work(
      of: model, batch, by: objective, groups: groups, count: count, adapter: adapter)
    workTogether(at: seats.prefix(work.pieceCount)) { work.work(at: $0) }
    return work.losses
  }
}

/// What one thread computes with.
private final class Seat: @unchecked Sendable {
  var workspace: Workspace
  private let model: AdaptedModel

  init(_ model: AdaptedModel, _ pass: Pass, _ extent: BatchExtent) {
    self.model = model
    workspace = model.takeWorkspace(for: pass, of: extent)
  }

  deinit { model.giveBack(workspace) }
}

/// One batch: each group of adapters with each part of it.
private final class Work: Sendable {
  private struct State {
    var next = 0
    /// By part, then by adapter.
    var losses: [[BatchLoss]]
  }

  private let model: AdaptedModel
  private let objective: Objective
  private let parts: [TokenBatch]
  private let halves: BatchHalves
  private let groups: [Range<Int>]
  private let adapter: @Sendable (Int) -> ParameterVector
  private let state: Mutex<State>

  var pieceCount: Int { groups.count * parts.count }

  init(
    of model: AdaptedModel, _ batch: TokenBatch, by objective: Objective, groups: [Range<Int>],
    count: Int, adapter: @escaping @Sendable (Int) -> ParameterVector
  ) {
    self.model = model
    self.objective = objective
    self.groups = groups
    self.adapter = adapter
    parts = batch.parts
    precondition(!parts.isEmpty, "the loss of a batch without targets")
    halves = BatchHalves(of: batch, in: parts, by: objective)
    let nothing = BatchLoss(mean: 0, halves: nil)
    state = Mutex(
      State(losses: parts.map { _ in [BatchLoss](repeating: nothing, count: count) }))
  }

  /// Computes pieces until there is none left.
  func work(at seat: Seat) {
    while let piece = takePiece() {
      let (group, part) = (groups[piece / parts.count], piece % parts.count)
      let adapters = group.map(adapter)
      let scores =
        objective.decodes
        ? model.decodedScores(of: parts[part], adapters: adapters, in: &seat.workspace)
        : model.scores(of: parts[part], adapters: adapters, in: &seat.workspace)
      let losses = scores.map { halves.loss($0, of: parts[part], number: part) }
      state.withLock { $0.losses[part].replaceSubrange(group, with: losses) }
    }
  }

  private func takePiece() -> Int? {
    state.withLock { state in
      guard state.next < pieceCount else { return nil }
      defer { state.next += 1 }
      return state.next
    }
  }

  /// The sums over the parts, in their order, when all pieces are computed.
  var losses: [BatchLoss] {
    state.withLock { state in
      state.losses[0].indices.map { index in BatchLoss(sumOf: state.losses.map { $0[index] }) }
    }
  }
}
