// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import COpenSSLSystem
import Digests
import Federation
import Foundation
import Logging
import Messages
import NIOCore
import Rounds
import Testing

@testable import Network

/// Joining over a real connection, and what keeps others out.
@Suite(.timeLimit(.minutes(1))) struct EnrolmentTests {
  private let authority: TestAuthority
  private let folder: TemporaryFolder

  init() throws {
    authority = try TestAuthority()
    folder = try TemporaryFolder()
  }

  private func withAuthority<Result: Sendable>(
    log: LogRecorder = .init(), settings: NetworkSettings = .init(),
    _ body: (TLSServer, Registrar) async throws -> Result
  ) async throws -> Result {
    let registrar = try authority.registrar
    return try await withServer(
      authority.coordinator, registrar: registrar, settings: settings, log: log, handle: echoBeats
    ) { try await body($0, registrar) }
  }

  private func joining(_ invitation: Invitation, folder name: String = "ann") -> Joining {
    Joining(invitation, folder: "\(folder.path)/\(name)")
  }

  /// Waits until the registry counts refusals for a cause.
  private func expectCount(_ cause: RefusalCause, _ registrar: Registrar) async throws {
    while try registrar.refusals()[cause.rawValue] == nil {
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  @Test func aLineIsAllThatANewcomerNeeds() async throws {
    let log = LogRecorder()
    try await withAuthority(log: log) { server, registrar in
      let line = try registrar.invite("ann", host: "127.0.0.1", port: server.port).line
      let joining = joining(try Invitation(line))
      #expect(try !joining.isDone())
      try await joining.join(logger: log.logger)
      #expect(try joining.isDone())
      for name in ["worker.key", "worker.pem", "authority.pem", "joined"] {
        #expect(try mode(of: "\(joining.folder)/\(name)") == "600")
      }
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: joining.folder).sorted()
          == ["authority.pem", "joined", "worker.key", "worker.pem"])
      try await client(joining.credentials, port: server.port).withSession {
        try await expectEcho($0)
      }
      #expect(await log.line(with: "enrolled", "worker=ann") != nil)
    }
  }

  @Test func whoIsInterruptedGoesOnWithTheSameKey() async throws {
    try await withAuthority { server, registrar in
      let invitation = try registrar.invite("ann", host: "127.0.0.1", port: server.port)
      let joining = joining(invitation)
      try await joining.join(logger: LogRecorder().logger)
      let key = try readSmallFile("\(joining.folder)/worker.key")
      // As if the answer had been lost.
      for name in ["worker.pem", "authority.pem", "joined"] {
        try FileManager.default.removeItem(atPath: "\(joining.folder)/\(name)")
      }
      try FileManager.default.moveItem(
        atPath: "\(joining.folder)/worker.key", toPath: "\(joining.folder)/joining.key")
      #expect(try !joining.isDone())
      try await joining.join(logger: LogRecorder().logger)
      #expect(try joining.isDone())
      #expect(try readSmallFile("\(joining.folder)/worker.key") == key)
      // As if it had ended between the certificate and its key.
      try FileManager.default.moveItem(
        atPath: "\(joining.folder)/worker.key", toPath: "\(joining.folder)/joining.key")
      try replaceFile("\(joining.folder)/worker.key", with: PrivateKey().pem())
      #expect(try !joining.isDone())
      try await joining.join(logger: LogRecorder().logger)
      #expect(try joining.isDone())
    }
  }

  @Test func aUsedInvitationIsRefusedOnBothSidesAndCounted() async throws {
    let log = LogRecorder()
    try await withAuthority(log: log) { server, registrar in
      let invitation = try registrar.invite("ann", host: "127.0.0.1", port: server.port)
      try await joining(invitation).join(logger: log.logger)
      let error = await #expect(throws: NetworkError.self) {
        try await joining(invitation, folder: "thief").join(logger: log.logger)
      }
      let reason = EnrolmentRefusal.usedInvitation(name: "ann").description
      #expect(error == .enrolmentRefused(reason: reason, isRetryable: false))
      #expect(error?.isRefusal == true)
      #expect(await log.line(with: "connection refused", reason) != nil)
      try await expectCount(.usedInvitation, registrar)
      // It disturbed no one.
      try await client(joining(invitation).credentials, port: server.port).withSession {
        try await expectEcho($0)
      }
    }
  }

  @Test func expiredAlteredAndUnknownInvitationsAreRefused() async throws {
    try await withAuthority { server, registrar in
      func refusal(_ invitation: Invitation) async -> NetworkError? {
        await #expect(throws: NetworkError.self) {
          try await joining(invitation).join(logger: LogRecorder().logger)
        }
      }
      let expired = try registrar.invite(
        "ann", host: "127.0.0.1", port: server.port, for: .seconds(-9))
      #expect("\(String(describing: await refusal(expired)))".contains("expired"))
      try await expectCount(.expiredInvitation, registrar)

      let good = try registrar.invite("ann", host: "127.0.0.1", port: server.port)
      // Altered by somebody who knows how to mend the checksum.
      let altered = Invitation(
        name: good.name, host: good.host, port: good.port, authority: good.authority,
        expires: good.expires, secret: try randomSecret())
      #expect("\(String(describing: await refusal(altered)))".contains("not known"))
      try await expectCount(.unknownInvitation, registrar)
      let renamed = Invitation(
        name: try #require(WorkerID(rawValue: "eve")), host: good.host, port: good.port,
        authority: good.authority, expires: good.expires, secret: good.secret)
      #expect(await refusal(renamed) == .unusableCertificate("it is for 'ann'"))
    }
  }

  @Test func aForeignAuthoritysInvitationIsRefusedByTheNewcomer() async throws {
    let log = LogRecorder()
    let stranger = try TestAuthority()
    try await withAuthority(log: log) { server, registrar in
      let foreign = try stranger.registrar.invite("ann", host: "127.0.0.1", port: server.port)
      let error = await #expect(throws: NetworkError.self) {
        try await joining(foreign).join(logger: log.logger)
      }
      #expect(
        error
          == .untrustedPeer(
            name: "coordinator", reason: "its authority is not that of the invitation"))
      #expect(await log.line(with: "connection refused", "authority unknown there") != nil)
      try await expectCount(.refusedCoordinator, registrar)
    }
  }

  @Test func theHostOfTheInvitationIsChecked() async throws {
    let other = try TestAuthority(names: ["localhost"])
    try await withServer(
      other.coordinator, registrar: try other.registrar, handle: echoBeats
    ) { server in
      let good = try other.registrar.invite("ann", port: server.port)
      let wrong = Invitation(
        name: good.name, host: "127.0.0.1", port: good.port, authority: good.authority,
        expires: good.expires, secret: good.secret)
      await #expect(
        throws: NetworkError.untrustedPeer(name: "coordinator", reason: "IP address mismatch")
      ) { try await joining(wrong).join(logger: LogRecorder().logger) }
      try await joining(good).join(logger: LogRecorder().logger)
    }
  }

  @Test func anExpiredCoordinatorEnrolsNobody() throws {
    let old = try CertificateAuthority.create(
      in: "\(folder.path)/old", names: ["127.0.0.1"],
      authority: Validity(from: past, dayCount: 36_500),
      coordinator: Validity(from: past, dayCount: 1))
    let admission = TLSContext.Admission { _, _ in false }
    let server = try TLSContext(old.coordinatorCredentials, at: past, admission: admission)
    let pin = try #require(Certificate(path: "\(old.folder)/authority.pem").fingerprint)
    let pair = try EnginePair(client: TLSContext(pinnedTo: pin), server: server)
    #expect(
      pair.shakeHands().client
        == .failed(.untrustedPeer(name: "coordinator", reason: "certificate has expired")))
  }

  @Test func aPinnedAuthorityIsNoServer() throws {
    // A worker's certificate of the right authority, with the authority's in its chain.
    let admission = TLSContext.Admission { _, _ in false }
    let server = try TLSContext(authority.coordinator, admission: admission)
    let key = try PrivateKey()
    let template = CertificateTemplate(
      commonName: "ann", role: .worker, validity: .days(1), alternativeNames: "IP:127.0.0.1")
    try server.show(template.signed(for: key, by: authority.signer()), of: key)
    let pin = try #require(authority.signer().certificate.fingerprint)
    let pair = try EnginePair(client: TLSContext(pinnedTo: pin), server: server)
    #expect(
      pair.shakeHands().client
        == .failed(
          .untrustedPeer(name: "ann", reason: "it is not a coordinator's certificate")))
  }

  @Test func aServerWithoutARegistrarShowsNoAuthorityToNewcomers() async throws {
    try await withServer(authority.coordinator, handle: echoBeats) { server in
      let invitation = try authority.registrar.invite(
        "ann", host: "127.0.0.1", port: server.port)
      await #expect(
        throws: NetworkError.untrustedPeer(
          name: "coordinator", reason: "its authority is not that of the invitation")
      ) {
        try await joining(invitation).join(logger: LogRecorder().logger)
      }
    }
  }

  @Test func aConnectionOfEnrolmentSpeaksNothingElse() async throws {
    let handled = Shared(0)
    let log = LogRecorder()
    try await withServer(
      authority.coordinator, registrar: try authority.registrar, log: log,
      handle: { _ in handled.change { $0 += 1 } }
    ) { server in
      let pin = try #require(authority.signer().certificate.fingerprint)
      let place = try Place(host: "127.0.0.1", port: server.port)
      let connection = try await place.connect(TLSContext(pinnedTo: pin), settings: .init())
      try await connection.run { peer, bytes in
        #expect(peer.isNewcomer)
        let session = connection.session(
          name: "", reader: MessageReader<EnrolmentAnswer>(),
          writer: MessageWriter<WorkerMessage>(), bytes: bytes, logger: log.logger,
          failureLevel: .debug
        ) { _ in false }
        try await session.send(.heartbeat(WorkerHeartbeat(sequence: 1)))
        var incoming = session.incoming.makeAsyncIterator()
        #expect(try await incoming.next() == nil)
      }
      #expect(await log.line(with: "connection refused", "frame of type 4") != nil)
      #expect(handled.value == 0)
    }
  }

  @Test func aSilentNewcomerIsCutOffAndTooManyAreAskedToComeLater() async throws {
    var settings = NetworkSettings()
    settings.newcomerLimit = 1
    settings.enrolmentTimeout = .seconds(1)
    let log = LogRecorder()
    try await withAuthority(log: log, settings: settings) { [settings] server, registrar in
      let good = try registrar.invite("ann", host: "127.0.0.1", port: server.port)
      let unknown = Invitation(
        name: good.name, host: good.host, port: good.port, authority: good.authority,
        expires: good.expires, secret: try randomSecret())
      let place = try Place(host: "127.0.0.1", port: server.port)
      let silent = try await place.connect(TLSContext(pinnedTo: good.authority), settings: settings)
      try await silent.run { _, bytes in
        let joining = joining(unknown)
        // Refused for its secret until the server has seen the silent one.
        while true {
          do {
            try await joining.join(logger: log.logger)
            Issue.record("an unknown invitation was taken")
          } catch NetworkError.enrolmentRefused(let reason, let isRetryable) {
            guard isRetryable else { continue }
            #expect(reason.contains("too many"))
            break
          }
        }
        var bytes = bytes.makeAsyncIterator()
        #expect(try await bytes.next() == nil)
      }
      #expect(await log.line(with: "connection refused", "no answer to the invitation") != nil)
      try await self.joining(good).join(logger: log.logger)
    }
  }

  @Test func aFolderOfAnotherWorkerIsNotTouched() async throws {
    try await withAuthority { server, registrar in
      let ann = try registrar.invite("ann", host: "127.0.0.1", port: server.port)
      try await joining(ann).join(logger: LogRecorder().logger)
      let bob = try registrar.invite("bob", host: "127.0.0.1", port: server.port)
      #expect(
        throws: NetworkError.folderOfAnother(
          path: "\(folder.path)/ann", name: "ann", invited: "bob")
      ) { try joining(bob).isDone() }
      // A new invitation for the same worker is not done, and replaces what is there.
      let again = joining(try registrar.invite("ann", host: "127.0.0.1", port: server.port))
      #expect(try !again.isDone())
      try await again.join(logger: LogRecorder().logger)
      #expect(try again.isDone())
      #expect(try !joining(ann).isDone())
    }
  }
}
