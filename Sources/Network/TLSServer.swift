// SPDX-License-Identifier: Apache-2.0
public import Federation
public import Logging
public import Messages
internal import NIOCore
internal import NIOPosix
internal import Rounds

/// Takes connections of workers over mutual TLS.
///
/// Whatever goes wrong on one connection is logged, and costs that connection only.
public final class TLSServer: ServerTransport {
  private let listener: any Channel
  private let arrivals: AsyncStream<TLSChannel>
  private let live: LiveChannels
  private let settings: NetworkSettings
  private let logger: Logger

  /// Listens; connections are taken from `serve` on.
  ///
  /// - Parameter port: 0 for any free one; see `port`.
  public convenience init(
    host: String, port: Int, credentials: Credentials, settings: NetworkSettings = .init(),
    logger: Logger
  ) async throws {
    try await self.init(
      host: host, port: port, context: TLSContext(credentials), settings: settings, logger: logger)
  }

  /// A server with a context that is already loaded.
  init(
    host: String, port: Int, context: TLSContext, settings: NetworkSettings, logger: Logger
  ) async throws {
    precondition(context.isServer, "a server with the credentials of a worker")
    let (arrivals, entrance) = AsyncStream.makeStream(of: TLSChannel.self)
    let limit = connectionRoom(wanted: settings.connectionLimit, logger: logger)
    let live = LiveChannels(limit: limit)
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.autoRead, value: false)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptErrors(logger: logger))
        }
      }
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.socketOption(.so_keepalive), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let address = channel.remoteAddress?.inWords ?? "unknown"
          guard live.add(channel) else {
            let error = NetworkError.tooManyConnections(limit: limit)
            logger.warning(
              "connection refused", metadata: ["peer": "\(address)", "reason": "\(error)"])
            throw error
          }
          entrance.yield(
            try TLSChannel(channel, to: address, context: context, host: "", settings: settings))
        }
      }
    do {
      listener = try await bootstrap.bind(host: host, port: port).get()
    } catch {
      throw NetworkError.cannotListen(
        address: endpointText(host: host, port: port), reason: reason(of: error))
    }
    listener.closeFuture.whenComplete { _ in entrance.finish() }
    self.arrivals = arrivals
    self.live = live
    self.settings = settings
    self.logger = logger
  }

  deinit { listener.close(promise: nil) }

  /// The port that it listens on.
  public var port: Int { listener.localAddress?.port ?? 0 }

  /// Serves until cancelled, once in the life of a server; `handle` runs in a child task for each
  /// connection, the connection closes when it returns.
  public func serve(
    _ handle: @escaping @Sendable (Session<WorkerMessage, CoordinatorMessage>) async -> Void
  ) async throws {
    try await listener.setOption(.autoRead, value: true).get()
    listener.read()
    await withDiscardingTaskGroup { group in
      for await connection in arrivals {
        group.addTask { await self.serve(connection, handle) }
      }
      listener.close(promise: nil)
      group.cancelAll()
    }
    try? await listener.closeFuture.get()
    await live.closeAndWait()
    try Task.checkCancellation()
    throw NetworkError.closed
  }

  private func serve(
    _ connection: TLSChannel,
    _ handle: @Sendable (Session<WorkerMessage, CoordinatorMessage>) async -> Void
  ) async {
    var logger = logger
    logger[metadataKey: "peer"] = "\(connection.address)"
    do {
      try await connection.run { name, bytes in
        guard let worker = WorkerID(rawValue: name) else { throw NetworkError.workerName(name) }
        logger[metadataKey: "worker"] = "\(worker)"
        logger.debug("connected")
        let session = connection.session(
          name: name, reader: MessageReader<WorkerMessage>(from: worker, limits: .stranger),
          writer: MessageWriter<CoordinatorMessage>(chunkByteCount: settings.chunkByteCount),
          bytes: bytes, logger: logger, failureLevel: .warning
        ) {
          if case .heartbeat = $0 { true } else { false }
        }
        await handle(session)
      }
    } catch {
      guard !Task.isCancelled else { return }
      logger.warning("connection refused", metadata: ["reason": "\(reason(of: error))"])
    }
  }
}
