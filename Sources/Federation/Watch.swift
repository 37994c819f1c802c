// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// When the other side was last heard, and how long its silence may last.
final class Watch: Sendable {
  private struct State {
    var heard = ContinuousClock.now
    var interval = Duration.seconds(2)
    var limit = Duration.seconds(10)
  }

  private let state = Mutex(State())

  /// How often to send a heartbeat.
  var interval: Duration { state.withLock { $0.interval } }

  /// After how much silence the other side is taken for dead.
  var limit: Duration { state.withLock { $0.limit } }

  /// How long nothing was heard.
  var silence: Duration { state.withLock { .now - $0.heard } }

  /// Notes that something was heard.
  func touch() { state.withLock { $0.heard = .now } }

  /// Takes over what the two sides agreed on.
  func adopt(interval: Duration, limit: Duration) {
    state.withLock {
      $0.interval = interval
      $0.limit = limit
    }
  }
}

extension Watch {
  /// Waits until nothing has been heard for too long, and throws then.
  func waitForSilence(of whom: String) async throws {
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
