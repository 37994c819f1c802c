// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Logging
internal import Messages
internal import NIOCore
internal import NIOPosix
internal import Rounds

// MARK: Newcomers

extension TLSServer {
  /// Hears what a newcomer wants, answers, and is done with it.
  func enrol(
    _ connection: TLSChannel, _ bytes: NIOAsyncChannelInboundStream<ByteBuffer>, logger: Logger
  ) async throws {
    let session = connection.session(
      name: "", reader: MessageReader<Enrolment>(), writer: MessageWriter<EnrolmentAnswer>(),
      bytes: bytes, logger: logger, failureLevel: .debug
    ) { _ in false }
    guard let authority else { throw NetworkError.closed }
    do {
      try await authority.membership.withPlace(within: settings.newcomerLimit) {
        try await within(settings.enrolmentTimeout) {
          try await session.send(
            .granted(self.grant(session, by: authority.registrar, logger: logger)))
        }
      }
    } catch let refusal as EnrolmentRefusal {
      try? await within(settings.lingerTimeout) {
        try await session.send(.refused(refusal.refusal))
      }
      throw refusal
    }
  }

  private func grant(
    _ session: Session<Enrolment, EnrolmentAnswer>, by registrar: Registrar, logger: Logger
  ) async throws -> Grant {
    var incoming = session.incoming.makeAsyncIterator()
    guard let enrolment = try await incoming.next() else { throw NetworkError.truncated }
    let grant = try await onDisk(logger) { try registrar.enrol(enrolment) }
    let certificate = try Certificate(der: grant.certificate)
    logger.notice(
      "enrolled",
      metadata: [
        "worker": "\(certificate.commonName ?? "")", "software": "\(enrolment.software)",
        "until": "\(certificate.notAfter?.inWords ?? "")",
      ])
    return grant
  }

  /// Runs what waits for the disk where it holds up nobody; what goes wrong there is logged, and
  /// is no newcomer's business.
  private func onDisk<Result: Sendable>(
    _ logger: Logger, _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    do {
      return try await NIOThreadPool.singleton.runIfActive(body)
    } catch let error as EnrolmentRefusal {
      throw error
    } catch let error as CancellationError {
      throw error
    } catch {
      logger.error("no certificate made", metadata: ["reason": "\(error)"])
      throw EnrolmentRefusal.failed
    }
  }
}

// MARK: Workers

extension TLSServer {
  /// Runs `handle` with the session of a worker, renews its certificate when it asks for that,
  /// and ends the connection when its certificate holds no longer.
  func attend(
    _ session: Session<WorkerMessage, CoordinatorMessage>, of peer: PeerIdentity,
    on connection: TLSChannel, logger: Logger,
    _ handle: @Sendable (Session<WorkerMessage, CoordinatorMessage>) async -> Void
  ) async {
    guard let authority else { return await handle(session) }
    let (number, dismissals) = authority.membership.enter(peer)
    defer { authority.membership.leave(number) }
    let renewing = Session<WorkerMessage, CoordinatorMessage>(
      peer: session.peer,
      incoming: SessionMessages { try await self.next(of: session, number, logger: logger) },
      send: session.send, admit: session.admit, traffic: session.traffic)
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for await refusal in dismissals {
          await self.dismiss(session, on: connection, because: refusal, logger: logger)
        }
      }
      await handle(renewing)
      group.cancelAll()
    }
  }

  /// Tells a worker why it must go, and ends its connection.
  private func dismiss(
    _ session: Session<WorkerMessage, CoordinatorMessage>, on connection: TLSChannel,
    because refusal: EnrolmentRefusal, logger: Logger
  ) async {
    logger.warning("connection refused", metadata: ["reason": "\(refusal)"])
    note(refusal, from: connection.address)
    // One that does not listen is cut off without a word.
    try? await within(settings.lingerTimeout) {
      try await session.send(.refused(refusal.refusal))
    }
    connection.channel.triggerUserOutboundEvent(
      TLSHandler.Command.dismiss(.dismissed(reason: "\(refusal)")), promise: nil)
  }

  /// The next message that is not about certificates.
  private func next(
    of session: Session<WorkerMessage, CoordinatorMessage>, _ number: Int, logger: Logger
  ) async throws -> WorkerMessage? {
    var incoming = session.incoming.makeAsyncIterator()
    do {
      while let message = try await incoming.next() {
        guard case .renewal(let request) = message else { return message }
        let answer = await renew(session.peer.name, request, on: number, logger: logger)
        // Where it cannot be said, the next read tells why the connection is over.
        try? await session.send(.renewed(answer))
      }
    } catch {
      throw dismissal(of: number) ?? error
    }
    if let dismissal = dismissal(of: number) { throw dismissal }
    return nil
  }

  /// The error of a connection that was ended here, whoever closed it first in the end.
  private func dismissal(of number: Int) -> NetworkError? {
    authority?.membership.refusal(of: number).map { .dismissed(reason: "\($0)") }
  }

  private func renew(
    _ name: String, _ request: [UInt8], on number: Int, logger: Logger
  ) async -> Renewed {
    guard let authority else { return .refused(reason: "\(EnrolmentRefusal.failed)") }
    let serial = authority.membership.serial(of: number)
    do {
      let issued = try await onDisk(logger) {
        try authority.registrar.renew(name, serial: serial, request: request)
      }
      authority.membership.renew(number, serial: issued.serial, notAfter: issued.notAfter)
      logger.notice("certificate renewed", metadata: ["until": "\(issued.notAfter.inWords)"])
      return .certificate(Array(issued.der))
    } catch {
      logger.warning("certificate not renewed", metadata: ["reason": "\(error)"])
      if let refusal = error as? EnrolmentRefusal { note(refusal, from: name) }
      return .refused(reason: "\(error)")
    }
  }
}
