// SPDX-License-Identifier: Apache-2.0
import Glibc

/// One connection through a `FaultyProxy`: both sockets, and what is on its way between them.
///
/// Belongs to one thread, which alone reads, writes and closes the sockets.
struct ProxiedLink {
  private struct Direction {
    var source: Int32
    var drains: [Int32]
    var pending: [(due: ContinuousClock.Instant, bytes: [UInt8])] = []
    var byteCount = 0
    var hasEnded = false
    var hasShut = false
    var flipAt: Int?
    var endAt: Int?
    var delay = Duration.zero
    var isTrickling = false
  }

  private var up: Direction
  private var down: Direction
  private let echo: Int32?
  private(set) var isHeld = false
  private var isReset = false

  /// A link between two connected sockets; what the client says goes to `echo`, too.
  init(client: Int32, server: Int32, latency: Duration, echo: Int32?) {
    up = Direction(
      source: client, drains: [server] + (echo.map { [$0] } ?? []), delay: latency)
    down = Direction(source: server, drains: [client], delay: latency)
    self.echo = echo
  }

  mutating func suffer(_ fault: FaultyProxy.Fault) {
    switch fault {
    case .truncation(let count): up.endAt = up.byteCount + count
    case .truncationBack(let count): down.endAt = down.byteCount + count
    case .reset: isReset = true
    case .flip(let count): up.flipAt = up.byteCount + count
    case .flipBack(let count): down.flipAt = down.byteCount + count
    case .delay(let milliseconds):
      up.delay = .milliseconds(milliseconds)
      down.delay = .milliseconds(milliseconds)
    case .hold: isHeld = true
    case .trickle: up.isTrickling = true
    }
  }

  /// Carries what there is, waiting at most a few milliseconds for it; false when it is over.
  mutating func carryOn() -> Bool {
    guard !isReset else { return false }
    var sources = [pollfd(up), pollfd(down)]
    poll(&sources, 2, 10)
    guard !isHeld else { return isAnyoneThere }
    if sources[0].revents != 0, !Self.take(&up) { return false }
    if sources[1].revents != 0, !Self.take(&down) { return false }
    guard Self.pass(&up), Self.pass(&down) else { return false }
    return !(up.hasShut && down.hasShut)
  }

  mutating func closeAll() {
    for descriptor in [up.source, down.source] + (echo.map { [$0] } ?? []) {
      if isReset {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
          descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
      }
      close(descriptor)
    }
  }

  /// While a link is held: both sides may go, and nobody is told before both have.
  private var isAnyoneThere: Bool {
    [up.source, down.source].contains { descriptor in
      var byte: UInt8 = 0
      let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
      return count > 0 || count < 0 && errno == EAGAIN
    }
  }

  private func pollfd(_ direction: Direction) -> pollfd {
    let wants = !direction.hasEnded && direction.pending.count < 64
    return Glibc.pollfd(fd: wants ? direction.source : -1, events: Int16(POLLIN), revents: 0)
  }

  /// Reads one piece; false when the connection is lost.
  private static func take(_ direction: inout Direction) -> Bool {
    var piece = [UInt8](repeating: 0, count: 16 << 10)
    let count = recv(direction.source, &piece, piece.count, Int32(MSG_DONTWAIT))
    if count < 0 { return errno == EAGAIN || errno == EINTR }
    if count == 0 {
      direction.hasEnded = true
      return true
    }
    var bytes = Array(piece.prefix(count))
    if let end = direction.endAt, direction.byteCount + count >= end {
      bytes = Array(bytes.prefix(max(0, end - direction.byteCount)))
      direction.hasEnded = true
    }
    if let flip = direction.flipAt, bytes.indices.contains(flip - direction.byteCount) {
      bytes[flip - direction.byteCount] ^= 1
      direction.flipAt = nil
    }
    direction.byteCount += bytes.count
    direction.pending.append((.now + direction.delay, bytes))
    return true
  }

  /// Writes what is due; false when the connection is lost.
  private static func pass(_ direction: inout Direction) -> Bool {
    while let (due, bytes) = direction.pending.first, due <= .now {
      let count = direction.isTrickling ? min(1, bytes.count) : bytes.count
      let sent = send(
        direction.drains[0], bytes, count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
      if sent < 0 { return errno == EAGAIN || errno == EINTR }
      for other in direction.drains.dropFirst() {
        send(other, bytes, sent, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
      }
      direction.pending[0].bytes.removeFirst(sent)
      if direction.isTrickling { direction.pending[0].due = .now + .seconds(1) }
      if direction.pending[0].bytes.isEmpty {
        direction.pending.removeFirst()
        if direction.isTrickling, !direction.pending.isEmpty {
          direction.pending[0].due = .now + .seconds(1)
        }
      }
    }
    if direction.hasEnded, direction.pending.isEmpty, !direction.hasShut {
      direction.hasShut = true
      for drain in direction.drains { shutdown(drain, Int32(SHUT_WR)) }
    }
    return true
  }
}
