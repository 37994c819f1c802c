// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// The one time at which somebody wants to be woken: a new one takes the place of the last.
///
/// It goes by how long it is until then, so that nobody oversleeps when the clock is put back.
final class Alarm: Sendable {
  private struct State {
    var due: ContinuousClock.Instant?
    /// How often it was set.
    var number = 0
    var waiters: [AsyncStream<Never>.Continuation] = []
  }

  private let state = Mutex(State())

  /// Sets the alarm; a delay that has passed already wakes at once.
  func set(after delay: Duration) {
    let waiters = state.withLock { state in
      state.due = .now + delay
      state.number += 1
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.finish() }
  }

  /// Returns when the time has come that was set last, once for each time that is set.
  ///
  /// - Throws: `CancellationError`.
  func wait() async throws {
    while true {
      try Task.checkCancellation()
      let (due, number) = state.withLock { ($0.due, $0.number) }
      if let due, due <= .now {
        let isStillDue = state.withLock { state in
          guard state.number == number else { return false }
          state.due = nil
          return true
        }
        if isStillDue { return }
        continue
      }
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.waitForChange(of: number) }
        if let due { group.addTask { try? await Task.sleep(until: due, clock: .continuous) } }
        await group.next()
        group.cancelAll()
      }
    }
  }

  /// Waits until it is set again, or the task is cancelled.
  private func waitForChange(of number: Int) async {
    let (changes, changed) = AsyncStream<Never>.makeStream()
    let isChanged = state.withLock { state in
      // Those whose wait has ended are forgotten: there is one who waits.
      if state.number == number { state.waiters = [changed] }
      return state.number != number
    }
    guard !isChanged else { return }
    for await _ in changes {}
  }
}
