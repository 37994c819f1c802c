// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Open connections: counted, and closed together.
final class LiveChannels: Sendable {
  private struct State {
    var channels: [ObjectIdentifier: any Channel] = [:]
    var isClosed = false
  }

  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) { self.limit = limit }

  /// Takes `channel` until it closes; false when there is no room, or no longer.
  func add(_ channel: any Channel) -> Bool {
    let key = ObjectIdentifier(channel)
    let isAdmitted = state.withLock { state in
      guard !state.isClosed, state.channels.count < limit else { return false }
      state.channels[key] = channel
      return true
    }
    guard isAdmitted else { return false }
    channel.closeFuture.whenComplete { _ in
      self.state.withLock { _ = $0.channels.removeValue(forKey: key) }
    }
    return true
  }

  /// Begins to close what is open, and takes nothing from now on.
  @discardableResult
  func close() -> [any Channel] {
    let channels = state.withLock { state in
      state.isClosed = true
      return Array(state.channels.values)
    }
    for channel in channels { channel.close(promise: nil) }
    return channels
  }

  /// Closes what is open, and waits for it.
  func closeAndWait() async {
    for channel in close() { try? await channel.closeFuture.get() }
  }
}

/// An error of NIO or of ours in words for one line.
func reason(of error: any Error) -> String {
  switch error {
  case let error as IOError: error.description
  case let error as NIOConnectionError: reason(of: error)
  default: "\(error)"
  }
}

/// What happened at each of a host's addresses; what is the same at all of them, once.
private func reason(of error: NIOConnectionError) -> String {
  guard !error.connectionErrors.isEmpty else {
    return "the host's name cannot be resolved"
  }
  let reasons = error.connectionErrors.map { failure in
    (failure.error as? IOError).map { String(cString: strerror($0.errnoCode)) }
      ?? reason(of: failure.error)
  }
  return Set(reasons).sorted().joined(separator: "; ")
}
