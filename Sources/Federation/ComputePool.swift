// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Threads for training and measuring, so that minutes of arithmetic never occupy the threads
/// that answer messages.
///
/// It runs as many jobs at once as it has threads; more wait in order.
public final class ComputePool: TaskExecutor {
  private let operations: OperationQueue

  /// A pool of `threadCount` threads, at least one.
  public init(threadCount: Int) {
    precondition(threadCount > 0, "a compute pool of \(threadCount) threads")
    operations = OperationQueue()
    operations.maxConcurrentOperationCount = threadCount
  }

  /// Runs `body` on one of the threads.
  public func run<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withTaskExecutorPreference(self) { try await perform(body) }
  }

  /// Takes a job; it starts when a thread is free.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    operations.addOperation { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
  }
}

private nonisolated func perform<Result: Sendable>(
  _ body: @Sendable () throws -> Result
) async throws -> Result {
  try body()
}
