// SPDX-License-Identifier: Apache-2.0
public import Federation
public import Logging
public import Messages
internal import NIOCore
internal import NIOPosix

/// Connects a worker to its coordinator over mutual TLS.
public struct TLSClient: ClientTransport {
  private let host: String
  private let port: Int
  private let context: TLSContext
  private let expectedName: String
  private let settings: NetworkSettings
  private let logger: Logger

  /// A client of the coordinator at `host`, a DNS name or an IP address, and `port`.
  ///
  /// - Parameter expectedName: what the coordinator's certificate must be for, when that is not
  ///   `host`: for a coordinator behind a tunnel.
  public init(
    host: String, port: Int, credentials: Credentials, expectedName: String? = nil,
    settings: NetworkSettings = .init(), logger: Logger
  ) throws {
    try self.init(
      host: host, port: port, context: TLSContext(credentials), expectedName: expectedName,
      settings: settings, logger: logger)
  }

  /// A client with a context that is already loaded.
  init(
    host: String, port: Int, context: TLSContext, expectedName: String?,
    settings: NetworkSettings, logger: Logger
  ) throws(NetworkError) {
    precondition(!context.isServer, "a client with the credentials of a coordinator")
    self.context = context
    self.host = host
    self.port = port
    self.expectedName = expectedName ?? host
    self.settings = settings
    self.logger = logger
    guard isAddress(self.expectedName) || isHostName(self.expectedName) else {
      throw NetworkError.hostName(self.expectedName)
    }
  }

  /// Connects, runs `body`, and closes the connection when it returns.
  ///
  /// A coordinator that does not take this worker's certificate says so in the first read of
  /// `incoming`: only a message from it proves that this worker is in.
  public func withSession<Result: Sendable>(
    _ body: @Sendable (Session<CoordinatorMessage, WorkerMessage>) async throws -> Result
  ) async throws -> Result {
    let connection = try await connect()
    var logger = logger
    logger[metadataKey: "peer"] = "\(connection.address)"
    return try await connection.run { name, bytes in
      let session = connection.session(
        name: name,
        reader: MessageReader<CoordinatorMessage>(limits: .peer(maximumPayloadByteCount: 0)),
        writer: MessageWriter<WorkerMessage>(chunkByteCount: settings.chunkByteCount),
        // Whoever runs the session learns of it, too, and decides whether to try again.
        bytes: bytes, logger: logger, failureLevel: .debug
      ) {
        if case .heartbeat = $0 { true } else { false }
      }
      return try await body(session)
    }
  }

  private func connect() async throws -> TLSChannel {
    let address = endpointText(host: host, port: port)
    let attempts = LiveChannels(limit: .max)
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(TimeAmount(settings.connectTimeout))
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.socketOption(.so_keepalive), value: 1)
    do {
      return try await withTaskCancellationHandler {
        try await bootstrap.connect(host: host, port: port) { channel in
          channel.eventLoop.makeCompletedFuture {
            guard attempts.add(channel) else { throw CancellationError() }
            return try TLSChannel(
              channel, to: address, context: context, host: expectedName, settings: settings)
          }
        }
      } onCancel: {
        attempts.close()
      }
    } catch {
      try Task.checkCancellation()
      throw NetworkError.cannotConnect(address: address, reason: reason(of: error))
    }
  }
}
