// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization

/// Stands between a worker and its coordinator, and does to their bytes what it is told.
///
/// It has a port of its own, and knows nothing of TLS.
final class FaultyProxy: Sendable {
  /// What can happen to a connection.
  enum Fault: Sendable, Equatable {
    /// The worker's bytes end here, in an orderly way: FIN, and no close_notify.
    case truncation(after: Int)
    /// The coordinator's bytes end here, in an orderly way: FIN, and no close_notify.
    case truncationBack(after: Int)
    /// Both sides' connections are reset.
    case reset
    /// One bit of what the worker says is another.
    case flip(after: Int)
    /// One bit of what the coordinator says is another.
    case flipBack(after: Int)
    /// Every piece of the stream comes later, in both directions.
    case delay(milliseconds: Int)
    /// Nothing passes any more, and nothing is closed.
    case hold
    /// The worker's bytes come one each second.
    case trickle
  }

  private struct State {
    var isOver = false
    var strike: Fault?
    var duplicatesNext = false
  }

  let port: Int
  private let listener: Int32
  private let latency: Duration
  private let target: @Sendable () -> Int
  private let state = Mutex(State())

  /// A proxy for the port that `target` tells at the time of a connection.
  ///
  /// - Parameter latency: how much later every piece comes, in both directions, from the first on: what
  ///   goes through it takes that long on any machine.
  init(latency: Duration = .zero, target: @escaping @Sendable () -> Int) throws {
    self.latency = latency
    self.target = target
    (listener, port) = try listeningSocket()
    Thread.detachNewThread { [self] in accept() }
  }

  /// Closes everything.
  func end() {
    state.withLock { $0.isOver = true }
    shutdown(listener, Int32(SHUT_RDWR))
  }

  /// Does this to the connection that is open, or else to the next one.
  func strike(_ fault: Fault) {
    state.withLock { $0.strike = fault }
  }

  /// What the worker says on its next connection goes to a second one, too.
  func duplicateNext() { state.withLock { $0.duplicatesNext = true } }

  private func accept() {
    while true {
      let client = Glibc.accept(listener, nil, nil)
      guard client >= 0 else { break }
      _ = fcntl(client, F_SETFD, FD_CLOEXEC)
      Thread.detachNewThread { [self] in carry(client) }
    }
    close(listener)
  }

  private func carry(_ client: Int32) {
    let isDuplicated = state.withLock { state in
      defer { state.duplicatesNext = false }
      return state.duplicatesNext
    }
    guard let server = connectedSocket(port: target()) else {
      close(client)
      return
    }
    var link = ProxiedLink(
      client: client, server: server, latency: latency,
      echo: isDuplicated ? connectedSocket(port: target()) : nil)
    defer { link.closeAll() }
    while !state.withLock({ $0.isOver }) {
      // A connection that is held is as good as gone; what comes next is for the one after it.
      let fault = link.isHeld ? nil : state.withLock { $0.strike.take() }
      if let fault { link.suffer(fault) }
      guard link.carryOn() else { return }
    }
  }
}

/// A listening socket on a free port of 127.0.0.1, and that port.
func listeningSocket() throws -> (descriptor: Int32, port: Int) {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  var address = loopback(port: 0)
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  let isBound = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, size) == 0 && listen(descriptor, 64) == 0
        && getsockname(descriptor, $0, &size) == 0
    }
  }
  guard isBound else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
  return (descriptor, Int(in_port_t(bigEndian: address.sin_port)))
}

/// A socket that is connected to a port of 127.0.0.1; nil when nobody listens there.
func connectedSocket(port: Int) -> Int32? {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  guard descriptor >= 0 else { return nil }
  var address = loopback(port: port)
  let isConnected = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
    }
  }
  guard isConnected else {
    close(descriptor)
    return nil
  }
  return descriptor
}

private func loopback(port: Int) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
  address.sin_addr.s_addr = inet_addr("127.0.0.1")
  return address
}
