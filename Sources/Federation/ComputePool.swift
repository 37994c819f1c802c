// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Synchronization

/// Threads for training and measuring, so that minutes of arithmetic never occupy the threads
/// that answer messages.
///
/// It runs as many jobs at once as it may have threads; more wait in order. The threads are no queue's:
/// the system gives all queues together hardly more threads than there are cores, and heartbeats would
/// wait for the arithmetic.
public final class ComputePool: TaskExecutor {
  private struct State {
    var runningCount = 0
    var waiting: [UnownedJob] = []
  }

  private let threadCount: Int
  private let state = Mutex(State())

  /// A pool of at most `threadCount` threads, at least one.
  public init(threadCount: Int) {
    precondition(threadCount > 0, "a compute pool of \(threadCount) threads")
    self.threadCount = threadCount
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
    let starts = state.withLock { state in
      guard state.runningCount < threadCount else {
        state.waiting.append(job)
        return false
      }
      state.runningCount += 1
      return true
    }
    if starts { Thread.detachNewThread { [self] in work(from: job) } }
  }

  /// Runs a job, and then those that wait, until there is none.
  private func work(from first: UnownedJob) {
    var next: UnownedJob? = first
    while let job = next {
      job.runSynchronously(on: asUnownedTaskExecutor())
      next = state.withLock { state in
        guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
        state.runningCount -= 1
        return nil
      }
    }
  }
}

private nonisolated func perform<Result: Sendable>(
  _ body: @Sendable () throws -> Result
) async throws -> Result {
  try body()
}
