// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
public import Models
internal import Synchronization
public import Tensors

// Contract of the unsafe code: a seat is used by one thread for as long as a step takes, and by
// nobody between two steps.

/// Losses and gradients of batches, part by part on some threads.
///
/// Gradients of parts are added in the order of the parts, whoever computed them: the result is the
/// same bits for any number of threads.
public final class GradientComputer {
  private let model: AdaptedModel
  private let seats: [Seat]

  /// A computer of `model` with `threadCount` threads, at least one; more than there can be parts are
  /// not used.
  ///
  /// - Parameters:
  ///   - recomputedBlockCount: so many blocks are computed twice in each step, to save memory.
  ///   - extent: how large parts of batches will be, at most; memory for them is taken at once.
  public init(
    model: AdaptedModel, threadCount: Int, recomputing recomputedBlockCount: Int,
    extent: BatchExtent = .none
  ) {
    precondition(threadCount > 0, "\(threadCount) threads")
    self.model = model
    seats = (0..<min(threadCount, BatchExtent.maximumPartCount)).map { _ in
      Seat(model, .step(recomputing: recomputedBlockCount), extent)
    }
  }

  /// The mean loss over all targets, whose gradient for the adapter replaces `gradient`.
  ///
  /// - Precondition: as for the model's loss.
  public func loss(
    of batch: TokenBatch, adapter: ParameterVector, gradient: inout ParameterVector
  ) -> Double {
    let step = Step(of: model, batch, adapter, total: cleared(&gradient))
    workTogether(at: seats.prefix(step.partCount)) { step.work(at: $0) }
    return step.result(into: &gradient)
  }
}

/// What one thread computes with.
private final class Seat: @unchecked Sendable {
  var workspace: Workspace
  var gradient: ParameterVector
  private let model: AdaptedModel

  init(_ model: AdaptedModel, _ pass: Pass, _ extent: BatchExtent) {
    self.model = model
    workspace = model.takeWorkspace(for: pass, of: extent)
    gradient = ParameterVector(zerosOf: model.layout)
  }

  deinit { model.giveBack(workspace) }
}

/// The parts of one batch, and what they come to so far.
private final class Step: Sendable {
  private let model: AdaptedModel
  private let adapter: ParameterVector
  private let parts: [TokenBatch]
  private let targetCount: Int
  private let next = Mutex(0)
  private let total: Mutex<(loss: Double, gradient: ParameterVector)>
  /// Part i may add its gradient after semaphore i - 1.
  private let turns: [DispatchSemaphore]

  var partCount: Int { parts.count }

  init(
    of model: AdaptedModel, _ batch: TokenBatch, _ adapter: ParameterVector,
    total: ParameterVector
  ) {
    self.model = model
    self.adapter = adapter
    parts = batch.parts
    precondition(!parts.isEmpty, "the loss of a batch without targets")
    targetCount = batch.targets.count
    self.total = Mutex((0, total))
    turns = parts.map { _ in DispatchSemaphore(value: 0) }
  }

  /// Computes parts until there is none left.
  func work(at seat: Seat) {
    while let index = takePart() {
      seat.gradient.clear()
      let loss = model.loss(
        of: parts[index], adapter: adapter, in: &seat.workspace,
        addingGradientTo: &seat.gradient, meanOver: targetCount)
      // Those before are added already, or with threads that need nothing of this one.
      if index > 0 { turns[index - 1].wait() }
      total.withLock {
        $0.loss += loss
        $0.gradient.add(seat.gradient)
      }
      turns[index].signal()
    }
  }

  private func takePart() -> Int? {
    next.withLock { next in
      guard next < parts.count else { return nil }
      defer { next += 1 }
      return next
    }
  }

  /// The loss, when all parts are computed; moves the gradient.
  func result(into gradient: inout ParameterVector) -> Double {
    total.withLock {
      swap(&gradient, &$0.gradient)
      return $0.loss
    }
  }
}

/// Takes the memory of `vector`, for zeros; nothing is left there.
private func cleared(_ vector: inout ParameterVector) -> ParameterVector {
  var taken = ParameterVector(zerosOf: ParameterLayout([]))
  swap(&vector, &taken)
  taken.clear()
  return taken
}
