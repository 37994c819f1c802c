// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore
import NIOPosix

/// A TCP connection that does not know TLS.
struct RawPeer {
  private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

  /// Connects to a port of 127.0.0.1.
  init(port: Int) async throws {
    channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel(wrappingChannelSynchronously: channel)
        }
      }
  }

  /// Says `bytes`, then listens until the other side closes; gives what it heard.
  ///
  /// - Throws: `IOError` when the other side closed without reading all of it.
  @discardableResult
  func converse(saying bytes: [UInt8]) async throws -> [UInt8] {
    try await channel.executeThenClose { inbound, outbound in
      var heard: [UInt8] = []
      if !bytes.isEmpty { try await outbound.write(ByteBuffer(bytes: bytes)) }
      for try await part in inbound { heard += part.readableBytesView }
      return heard
    }
  }

  /// Closes at once.
  func hangUp() async throws {
    try await channel.executeThenClose { _, _ in }
  }
}

/// Says `bytes` to a port of 127.0.0.1 by the system's own calls, which tell an end from a reset;
/// gives how much was taken, what was heard, and what the last `recv` said: 0 for an end.
func blockingConversation(
  port: Int, saying bytes: [UInt8]
) -> (sentCount: Int, heard: [UInt8], end: Int) {
  guard let descriptor = connectedDescriptor(port: port) else { return (0, [], -1) }
  defer { close(descriptor) }
  let sentCount = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  var heard: [UInt8] = []
  var part = [UInt8](repeating: 0, count: 4096)
  while true {
    let count = recv(descriptor, &part, part.count, 0)
    guard count > 0 else { return (sentCount, heard, count) }
    heard += part.prefix(count)
  }
}

/// A socket that is connected to a port of 127.0.0.1, and waits ten seconds at most for bytes; nil
/// when it cannot be.
func connectedDescriptor(port: Int) -> Int32? {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  guard descriptor >= 0 else { return nil }
  var limit = timeval(tv_sec: 10, tv_usec: 0)
  setsockopt(
    descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = in_port_t(port).bigEndian
  address.sin_addr.s_addr = inet_addr("127.0.0.1")
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

/// Stands between a client and a server, and does to their bytes what it is told.
final class Proxy: Sendable {
  /// What happens to a part of the stream; nil to cut both connections there.
  typealias Change = @Sendable (_ part: inout [UInt8], _ offset: Int) -> Bool

  let port: Int
  private let listener: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>
  private let target: Int
  private let upstream: Change

  /// A proxy for the port `target` that hands bytes of clients to `upstream`, with their offset
  /// in the stream; false cuts both connections.
  init(target: Int, upstream: @escaping Change) async throws {
    self.target = target
    self.upstream = upstream
    listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel(wrappingChannelSynchronously: channel)
        }
      }
    port = listener.channel.localAddress?.port ?? 0
  }

  /// Carries bytes until cancelled.
  func run() async throws {
    try await listener.executeThenClose { clients in
      try await withThrowingDiscardingTaskGroup { group in
        for try await client in clients { group.addTask { try? await self.carry(client) } }
      }
    }
  }

  private func carry(_ client: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async throws {
    let server = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connect(host: "127.0.0.1", port: target) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    try await client.executeThenClose { fromClient, toClient in
      try await server.executeThenClose { fromServer, toServer in
        await withThrowingTaskGroup { group in
          group.addTask {
            var offset = 0
            for try await part in fromClient {
              var bytes = Array(part.readableBytesView)
              guard self.upstream(&bytes, offset) else { return }
              offset += bytes.count
              try await toServer.write(ByteBuffer(bytes: bytes))
            }
          }
          group.addTask {
            for try await part in fromServer { try await toClient.write(part) }
          }
          _ = await group.nextResult()
          group.cancelAll()
        }
      }
    }
  }
}
