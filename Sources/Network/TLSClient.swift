// SPDX-License-Identifier: Apache-2.0
public import Federation
public import Logging
public import Messages
internal import NIOCore
internal import NIOPosix

/// Connects a worker to its coordinator over mutual TLS, and renews its certificate.
public struct TLSClient: ClientTransport {
  private let place: Place
  /// Reads the files anew for each connection: the certificate may have been renewed.
  private let makeContext: @Sendable () throws(NetworkError) -> TLSContext
  private let credentials: Credentials?
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
    precondition(credentials.role == .worker, "a client with the credentials of a coordinator")
    _ = try TLSContext(credentials)
    place = try Place(host: host, port: port, expectedName: expectedName)
    makeContext = { () throws(NetworkError) in try TLSContext(credentials) }
    self.credentials = credentials
    self.settings = settings
    self.logger = logger
  }

  /// A client with a context that is already loaded, which never changes.
  init(
    host: String, port: Int, context: TLSContext, expectedName: String?,
    settings: NetworkSettings, logger: Logger
  ) throws(NetworkError) {
    precondition(!context.isServer, "a client with the credentials of a coordinator")
    place = try Place(host: host, port: port, expectedName: expectedName)
    makeContext = { context }
    credentials = nil
    self.settings = settings
    self.logger = logger
  }

  /// Connects, runs `body`, and closes the connection when it returns.
  ///
  /// A coordinator that does not take this worker's certificate says so in the first read of
  /// `incoming`: only a message from it proves that this worker is in.
  public func withSession<Result: Sendable>(
    _ body: @Sendable (Session<CoordinatorMessage, WorkerMessage>) async throws -> Result
  ) async throws -> Result {
    let connection = try await place.connect(makeContext(), settings: settings)
    var logger = logger
    logger[metadataKey: "peer"] = "\(connection.address)"
    return try await connection.run { peer, bytes in
      let session = connection.session(
        name: peer.name,
        reader: MessageReader<CoordinatorMessage>(limits: .peer(maximumPayloadByteCount: 0)),
        writer: MessageWriter<WorkerMessage>(chunkByteCount: settings.chunkByteCount),
        // Whoever runs the session learns of it, too, and decides whether to try again.
        bytes: bytes, logger: logger, failureLevel: .debug
      ) {
        switch $0 {
        case .heartbeat, .renewal: true
        default: false
        }
      }
      guard let credentials else { return try await body(session) }
      return try await CertificateRenewal(credentials, settings: settings, logger: logger)
        .during(session, body)
    }
  }
}

/// Where a server is, and what its certificate must be for.
struct Place: Sendable {
  private let host: String
  private let port: Int
  private let expectedName: String

  init(host: String, port: Int, expectedName: String? = nil) throws(NetworkError) {
    self.host = host
    self.port = port
    self.expectedName = expectedName ?? host
    guard isAddress(self.expectedName) || isHostName(self.expectedName) else {
      throw NetworkError.hostName(self.expectedName)
    }
  }

  /// A connection whose handshake has begun.
  func connect(_ context: TLSContext, settings: NetworkSettings) async throws -> TLSChannel {
    let address = endpointText(host: host, port: port)
    let attempts = LiveChannels(limit: .max)
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(TimeAmount(settings.connectTimeout))
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.recvAllocator, value: receiveBuffers)
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
