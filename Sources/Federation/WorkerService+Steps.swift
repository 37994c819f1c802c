// SPDX-License-Identifier: Apache-2.0
internal import Logging
internal import Messages
internal import Models
internal import Synchronization
internal import Training

extension WorkerService {
  /// Lets the worker of a run by steps decide something, and does what it orders.
  func carryOutStep(_ decide: (inout StepWorker) throws -> [StepWorker.Order]) throws {
    guard case .steps(var worker) = part else {
      throw FederationError.unexpected("a step before the welcome, or in a run by rounds")
    }
    defer { part = .steps(worker) }
    for order in try decide(&worker) {
      switch order {
      case .send(let message): outbox?.yield(message)
      case .evaluate(let job): submit.yield(.evaluating(job))
      case .rest(let reason): log.info("evaluating stopped", metadata: ["reason": "\(reason)"])
      }
    }
  }

  /// Evaluates the losses of a task.
  func evaluate(
    _ job: StepWorker.Job, with evaluator: StepEvaluator, at bench: Bench
  ) async throws {
    let (losses, tokenCount) = try await pool.run {
      let computer = bench.computer(of: evaluator)
      let batch = evaluator.batch(ofStep: job.step)
      let losses = evaluator.losses(
        of: batch, at: job.adapter, step: UInt32(job.step),
        queries: job.queries.map { UInt32($0) }, on: job.signs.sides, with: computer)
      return (losses, batch.tokens.count * losses.count)
    }
    try carryOutStep {
      $0.evaluated(
        losses, of: job, exampleCount: evaluator.settings.batchSize, tokenCount: tokenCount)
    }
  }
}

/// Memory and threads for evaluating, kept from one step to the next.
final class Bench: Sendable {
  private let computer = Mutex<Seat?>(nil)

  /// Used by one job at a time.
  private final class Seat: @unchecked Sendable {
    let computer: LossComputer

    init(_ computer: LossComputer) { self.computer = computer }
  }

  func computer(of evaluator: StepEvaluator) -> LossComputer {
    computer.withLock { seat in
      if let seat { return seat.computer }
      let computer = evaluator.makeComputer()
      seat = Seat(computer)
      return computer
    }
  }
}
