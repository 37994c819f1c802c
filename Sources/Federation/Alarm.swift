// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Rounds
internal import Synchronization

/// The one time at which somebody wants to be woken: a new one takes the place of the last.
///
/// It goes by how long it is until then, so that nobody oversleeps when the clock is put back. It
/// holds one timer: a sleep that is given up keeps its memory until its end.
final class Alarm: Sendable {
  private let due = Mutex<ContinuousClock.Instant?>(nil)
  // Dispatch's own queue orders what several threads ask of a timer.
  private nonisolated(unsafe) let timer = DispatchSource.makeTimerSource()
  private let rings: AsyncStream<Void>

  init() {
    let (rings, ring) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    self.rings = rings
    timer.setEventHandler { ring.yield() }
    timer.schedule(deadline: .distantFuture)
    timer.activate()
  }

  deinit { timer.cancel() }

  /// Sets the alarm; a delay that has passed already wakes at once.
  func set(after delay: Duration) {
    due.withLock { due in
      due = .now + delay
      ring(after: delay)
    }
  }

  /// Returns when the time has come that was set last, once for each time that is set.
  ///
  /// For one task at a time; once it is cancelled, the alarm is of no use any more.
  /// - Throws: `CancellationError`.
  func wait() async throws {
    for await _ in rings {
      let isDue = due.withLock { due in
        guard let time = due, time <= .now else { return false }
        due = nil
        return true
      }
      if isDue { return }
      // The timer rang for a time that another took the place of, or a moment too early.
      due.withLock { due in
        if let due { ring(after: due - .now) }
      }
    }
    throw CancellationError()
  }

  /// Called with the lock held, so that the last time that is set is the timer's.
  private func ring(after delay: Duration) {
    timer.schedule(deadline: .now() + .nanoseconds(Int(max(.zero, delay).wholeNanoseconds)))
  }
}
