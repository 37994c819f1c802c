// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Federation
internal import Logging
internal import Messages
internal import Rounds

/// Renews a worker's certificate at two thirds of its life, over the connection that is there.
///
/// The key stays the same. The connection goes on as it is; the next one shows the new
/// certificate.
final class CertificateRenewal: Sendable {
  private let credentials: Credentials
  private let settings: NetworkSettings
  private let logger: Logger
  /// Ends when the coordinator has said something: then this worker is in.
  private let waiting: AsyncStream<Never>
  private let isIn: AsyncStream<Never>.Continuation

  init(_ credentials: Credentials, settings: NetworkSettings, logger: Logger) {
    self.credentials = credentials
    self.settings = settings
    self.logger = logger
    (waiting, isIn) = AsyncStream.makeStream()
  }

  /// Runs `body` with a session in which the coordinator's words about certificates are heard
  /// here.
  func during<Result: Sendable>(
    _ session: Session<CoordinatorMessage, WorkerMessage>,
    _ body: @Sendable (Session<CoordinatorMessage, WorkerMessage>) async throws -> Result
  ) async throws -> Result {
    let listening = Session<CoordinatorMessage, WorkerMessage>(
      peer: session.peer, incoming: SessionMessages { try await self.next(session) },
      send: session.send, admit: session.admit, traffic: session.traffic)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.keepValid(session.send) }
      defer { group.cancelAll() }
      return try await body(listening)
    }
  }

  private func next(
    _ session: Session<CoordinatorMessage, WorkerMessage>
  ) async throws -> CoordinatorMessage? {
    var incoming = session.incoming.makeAsyncIterator()
    while let message = try await incoming.next() {
      isIn.finish()
      guard case .renewed(let renewed) = message else { return message }
      do {
        try install(renewed)
      } catch {
        // The one that is there still holds; the next try may go better.
        logger.warning("certificate not renewed", metadata: ["reason": "\(error)"])
      }
    }
    return nil
  }

  private func keepValid(
    _ send: @Sendable (WorkerMessage) async throws -> Void
  ) async throws {
    // Before the welcome a worker says nothing but its hello.
    for await _ in waiting {}
    while true {
      do {
        try await sleepUntilDue()
        let key = try PrivateKey(path: credentials.keyPath)
        try await send(.renewal(request: try SigningRequest.der(for: key)))
      } catch let error as NetworkError where error.isAboutFiles {
        logger.warning("certificate not renewed", metadata: ["reason": "\(error)"])
      }
      // What comes of it is heard by the reader; without an answer it is asked for again.
      try await Task.sleep(for: pauseBeforeNextTry())
    }
  }

  private func pauseBeforeNextTry() -> Duration {
    let notAfter = try? Certificate(path: credentials.certificatePath).notAfter
    let left = notAfter.map { $0 - .now } ?? .zero
    return max(.milliseconds(200), min(settings.renewalTimeout, left / 4))
  }

  private func sleepUntilDue() async throws {
    while true {
      let left = try credentials.renewalTime() - .now
      if left <= .zero { return }
      // The clock may be set, and the machine sleep, meanwhile.
      try await Task.sleep(for: min(left, .seconds(600)))
    }
  }

  private func install(_ renewed: Renewed) throws {
    switch renewed {
    case .refused(let reason):
      throw NetworkError.enrolmentRefused(reason: reason, isRetryable: true)
    case .certificate(let der):
      let certificate = try Certificate(der: der)
      let old = try Certificate(path: credentials.certificatePath)
      guard certificate.commonName == old.commonName else {
        throw NetworkError.unusableCertificate("it is for '\(certificate.commonName ?? "")'")
      }
      try credentials.check(
        certificate, key: PrivateKey(path: credentials.keyPath),
        authority: Certificate(path: credentials.authorityPath))
      try replaceFile(credentials.certificatePath, with: certificate.pem())
      logger.notice(
        "certificate renewed", metadata: ["until": "\(certificate.notAfter?.inWords ?? "")"])
    }
  }
}

extension Credentials {
  /// When the certificate is to be renewed.
  func renewalTime() throws(NetworkError) -> RunTime {
    let certificate = try Certificate(path: certificatePath)
    guard let notBefore = certificate.notBefore, let notAfter = certificate.notAfter else {
      throw .malformed(path: certificatePath, expected: "a certificate")
    }
    return notBefore + (notAfter - notBefore) * 2 / 3
  }

  /// Throws unless `certificate` can take the place of the one that is there.
  func check(
    _ certificate: Certificate, key: PrivateKey, authority: Certificate
  ) throws(NetworkError) {
    guard certificate.role == role else { throw .unusableCertificate("it is for another role") }
    guard key.belongs(to: certificate) else {
      throw .unusableCertificate("it is for another key")
    }
    guard certificate.isSigned(by: authority) else {
      throw .unusableCertificate("another authority signed it")
    }
    guard let notAfter = certificate.notAfter, notAfter > .now else {
      throw .unusableCertificate("it has expired already")
    }
  }
}
