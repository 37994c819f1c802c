// SPDX-License-Identifier: Apache-2.0
public import Federation
public import Logging
public import Messages
internal import NIOCore
internal import NIOPosix
internal import Rounds

/// Takes connections of workers over mutual TLS, and of newcomers with an invitation.
///
/// Whatever goes wrong on one connection is logged, and costs that connection only.
public final class TLSServer: ServerTransport {
  private let listener: any Channel
  private let arrivals: AsyncStream<TLSChannel>
  private let live: LiveChannels
  private let identity: ServerIdentity
  let authority: (registrar: Registrar, membership: Membership)?
  let settings: NetworkSettings
  private let logger: Logger
  private let refuse: AsyncStream<ConnectionRefusal>.Continuation

  /// Who was turned away; the newest of them, when nobody looks.
  public let refusals: AsyncStream<ConnectionRefusal>

  /// Listens; connections are taken from `serve` on.
  ///
  /// - Parameters:
  ///   - port: 0 for any free one; see `port`.
  ///   - registrar: who lets newcomers in and knows whose certificate was taken back; without one
  ///     there are no newcomers, and certificates hold until they expire.
  public convenience init(
    host: String, port: Int, credentials: Credentials, registrar: Registrar? = nil,
    settings: NetworkSettings = .init(), logger: Logger
  ) async throws {
    let authority = try registrar.map { ($0, try Membership($0)) }
    try await self.init(
      host: host, port: port,
      identity: ServerIdentity(credentials, admission: authority?.1.admission),
      authority: authority, settings: settings, logger: logger)
  }

  /// A server with a context that is already loaded, which never changes.
  convenience init(
    host: String, port: Int, context: TLSContext, settings: NetworkSettings, logger: Logger
  ) async throws {
    try await self.init(
      host: host, port: port, identity: ServerIdentity(context), authority: nil,
      settings: settings, logger: logger)
  }

  private init(
    host: String, port: Int, identity: ServerIdentity,
    authority: (registrar: Registrar, membership: Membership)?, settings: NetworkSettings,
    logger: Logger
  ) async throws {
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
      .childChannelOption(.recvAllocator, value: receiveBuffers)
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
            try TLSChannel(
              channel, to: address, context: identity.context, host: "", settings: settings))
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
    self.identity = identity
    self.authority = authority
    self.settings = settings
    self.logger = logger
    (refusals, refuse) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
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
      group.addTask { await self.followFiles() }
      for await connection in arrivals {
        group.addTask { await self.serve(connection, handle) }
      }
      listener.close(promise: nil)
      group.cancelAll()
    }
    try? await listener.closeFuture.get()
    await live.closeAndWait()
    if let membership = authority?.membership { writeCounts(of: membership) }
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
      try await connection.run { peer, bytes in
        guard !peer.isNewcomer else {
          return try await enrol(connection, bytes, logger: logger)
        }
        guard let worker = WorkerID(rawValue: peer.name) else {
          throw NetworkError.workerName(peer.name)
        }
        logger[metadataKey: "worker"] = "\(worker)"
        logger.debug("connected")
        let session = connection.session(
          name: peer.name, reader: MessageReader<WorkerMessage>(from: worker, limits: .stranger),
          writer: MessageWriter<CoordinatorMessage>(chunkByteCount: settings.chunkByteCount),
          bytes: bytes, logger: logger, failureLevel: .warning
        ) {
          switch $0 {
          case .heartbeat, .renewed: true
          default: false
          }
        }
        await attend(session, of: peer, on: connection, logger: logger, handle)
      }
    } catch {
      guard !Task.isCancelled else { return }
      logger.warning("connection refused", metadata: ["reason": "\(reason(of: error))"])
      if let refusal = error as? EnrolmentRefusal {
        note(refusal, from: connection.address)
      } else if let error = error as? NetworkError, let cause = error.refusalCause {
        var name = ""
        if case .untrustedPeer(let judged, _) = error { name = judged }
        note(cause, name: name.isEmpty ? connection.address : name, reason: "\(error)")
      }
    }
  }

  /// Counts and tells that somebody was turned away.
  func note(_ refusal: EnrolmentRefusal, from address: String) {
    note(
      refusal.cause, name: refusal.name.isEmpty ? address : refusal.name, reason: "\(refusal)")
  }

  private func note(_ cause: RefusalCause, name: String, reason: String) {
    authority?.membership.count(cause)
    refuse.yield(ConnectionRefusal(name: name, cause: cause, reason: reason))
  }

  /// Takes over what changes in the folder of the certificates, and ends the connections of
  /// workers whose certificates hold no longer.
  private func followFiles() async {
    var failures: Set<String> = []
    while !Task.isCancelled {
      try? await Task.sleep(for: settings.registryInterval)
      var now: Set<String> = []
      // What was read last goes on to hold; one file that cannot be read hides no other.
      do { try identity.refresh(logger: logger) } catch { now.insert("\(error)") }
      do { try authority?.membership.refresh(at: .now) } catch { now.insert("\(error)") }
      for failure in now.subtracting(failures) {
        logger.error("certificates not read", metadata: ["reason": "\(failure)"])
      }
      failures = now
      if let membership = authority?.membership {
        try? await NIOThreadPool.singleton.runIfActive { self.writeCounts(of: membership) }
      }
    }
  }

  private func writeCounts(of membership: Membership) {
    do {
      try membership.writeCounts()
    } catch {
      logger.error("refusals not counted", metadata: ["reason": "\(error)"])
    }
  }
}
