// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Lets in one task at a time, in the order in which they asked.
final class Turns: Sendable {
  private typealias Waiter = (number: Int, continuation: CheckedContinuation<Void, any Error>)

  private struct State {
    var isTaken = false
    var nextNumber = 0
    var waiters: [Waiter] = []
  }

  private enum Admission { case entered, waiting, cancelled }

  private let state = Mutex(State())

  /// Runs `body` while no one else runs theirs; throws `CancellationError` when cancelled before.
  func take<Result>(_ body: () async throws -> Result) async throws -> Result {
    try await enter()
    defer { leave() }
    return try await body()
  }

  private func enter() async throws {
    let number = state.withLock { state in
      defer { state.nextNumber += 1 }
      return state.nextNumber
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        switch admit(number, continuation) {
        case .entered: continuation.resume()
        case .cancelled: continuation.resume(throwing: CancellationError())
        case .waiting: break
        }
      }
    } onCancel: {
      removeWaiter(number)?.resume(throwing: CancellationError())
    }
  }

  private func admit(
    _ number: Int, _ continuation: CheckedContinuation<Void, any Error>
  ) -> Admission {
    state.withLock { state in
      // A cancellation after this point finds the waiter in the queue.
      if Task.isCancelled { return .cancelled }
      guard state.isTaken else {
        state.isTaken = true
        return .entered
      }
      state.waiters.append((number, continuation))
      return .waiting
    }
  }

  private func removeWaiter(_ number: Int) -> CheckedContinuation<Void, any Error>? {
    state.withLock { state in
      guard let index = state.waiters.firstIndex(where: { $0.number == number }) else {
        return nil
      }
      return state.waiters.remove(at: index).continuation
    }
  }

  private func leave() {
    let next = state.withLock { state -> CheckedContinuation<Void, any Error>? in
      guard !state.waiters.isEmpty else {
        state.isTaken = false
        return nil
      }
      return state.waiters.removeFirst().continuation
    }
    next?.resume()
  }
}
