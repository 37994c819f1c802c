// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// When the other side was last heard, and how long its silence may last.
final class Watch: Sendable {
  private struct State {
    var heard = ContinuousClock.now
    var interval = Duration.seconds(2)
    var limit = Duration.seconds(10)
    var isAnswering = false
    var hasAgreed = false
    var waiters: [AsyncStream<Never>.Continuation] = []
  }

  private let state = Mutex(State())

  /// How often to send a heartbeat.
  var interval: Duration { state.withLock { $0.interval } }

  /// After how much silence the other side is taken for dead.
  var limit: Duration { state.withLock { $0.limit } }

  /// How long nothing was heard, while this side listened.
  var silence: Duration { state.withLock { $0.isAnswering ? .zero : .now - $0.heard } }

  /// Does what follows from something that was heard.
  ///
  /// However long that takes, as on a slow disk, it is no silence of the other side: nobody
  /// listens meanwhile.
  func answer<Result>(_ body: () async throws -> Result) async rethrows -> Result {
    state.withLock { $0.isAnswering = true }
    defer {
      state.withLock { state in
        state.isAnswering = false
        state.heard = .now
      }
    }
    return try await body()
  }

  /// Takes over what the two sides agreed on.
  func adopt(interval: Duration, limit: Duration) {
    let waiters = state.withLock { state in
      state.interval = interval
      state.limit = limit
      state.hasAgreed = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.finish() }
  }

  /// Waits until the two sides have agreed, or the task is cancelled.
  fileprivate func waitForAgreement() async {
    let (agreement, reached) = AsyncStream<Never>.makeStream()
    let isReached = state.withLock { state in
      if !state.hasAgreed { state.waiters.append(reached) }
      return state.hasAgreed
    }
    guard !isReached else { return }
    for await _ in agreement {}
  }
}

extension Watch {
  /// Waits until nothing has been heard for too long, and throws then.
  func waitForSilence(of whom: String) async throws {
    // What is agreed on holds from then on: a longer wait from before must not go on.
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await self.waitForAgreement() }
      group.addTask { [limit] in
        try await Task.sleep(for: limit)
        throw FederationError.silent(whom)
      }
      try await group.next()
      group.cancelAll()
    }
    while true {
      let left = limit - silence
      if left <= .zero { throw FederationError.silent(whom) }
      try await Task.sleep(for: left)
    }
  }
}

/// Sends heartbeats on a session, between the pieces of whatever else is sent there.
func beat<Incoming, Outgoing>(
  through session: Session<Incoming, Outgoing>, _ watch: Watch,
  _ heartbeat: @Sendable (UInt64) async -> Outgoing
) async throws {
  // Both sides speak at once until then, and wait long enough for it.
  await watch.waitForAgreement()
  var sequence: UInt64 = 0
  while true {
    try await Task.sleep(for: watch.interval)
    sequence += 1
    try await session.send(await heartbeat(sequence))
  }
}

/// An error that trying again does not mend.
struct Unmendable: Error {
  let cause: any Error
}
