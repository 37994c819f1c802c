// SPDX-License-Identifier: Apache-2.0
import Federation
import Files
import Foundation
import Messages
import Rounds
import Testing

@testable import Network

/// Certificates that end, are taken back, or are followed by others, while connections are open.
@Suite(.timeLimit(.minutes(1))) struct RevocationTests {
  private let authority: TestAuthority
  private var settings = NetworkSettings()

  init() throws {
    authority = try TestAuthority()
    settings.registryInterval = .milliseconds(10)
    settings.renewalTimeout = .milliseconds(200)
  }

  /// What a worker hears, until it is told to go.
  private func refusal(_ session: ClientSession) async throws -> Refusal? {
    for try await message in session.incoming {
      if case .refused(let refusal) = message { return refusal }
    }
    return nil
  }

  @Test func aRevokedWorkerIsToldAndOutAtOnceAndOthersStay() async throws {
    let log = LogRecorder()
    let registrar = try authority.registrar
    let ann = try authority.worker("ann")
    let bob = try authority.worker("bob")
    let heard = Shared("")
    try await withServer(
      authority.coordinator, registrar: registrar, settings: settings, log: log,
      handle: { session in
        do {
          for try await message in session.incoming {
            guard case .heartbeat(let beat) = message else { continue }
            try await session.send(.heartbeat(sequence: beat.sequence))
          }
        } catch {
          if session.peer.name == "ann" { heard.change { $0 = "\(error)" } }
        }
      }
    ) { server in
      try await client(bob, port: server.port).withSession { other in
        try await expectEcho(other)
        try await client(ann, port: server.port).withSession { session in
          try await expectEcho(session)
          try registrar.revoke("ann")
          let refusal = try await refusal(session)
          #expect(refusal?.code == .certificate)
          #expect(refusal?.retryable == false)
          #expect(refusal?.reason.contains("revoked") == true)
        }
        #expect(await log.line(with: "connection refused", "worker=ann", "was revoked") != nil)
        while heard.value.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        #expect(heard.value.contains("was revoked"))
        try await expectRefusedHandshake(ann, server.port)
        try await expectEcho(of: 2, other)
      }
    }
    // Another server of the same folder knows it from the start.
    try await withServer(
      authority.coordinator, registrar: try authority.registrar, settings: settings, log: log,
      handle: echoBeats
    ) { server in
      try await expectRefusedHandshake(ann, server.port)
      try await client(bob, port: server.port).withSession { try await expectEcho($0) }
      // An open connection, and a handshake before and after the restart.
      try await waitForCount(3, of: .revokedCertificate)
    }
  }

  /// Waits until the registry counts so many refusals for a cause.
  private func waitForCount(_ count: Int, of cause: RefusalCause) async throws {
    while try authority.registrar.refusals()[cause.rawValue] != count {
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  private func expectRefusedHandshake(_ credentials: Credentials, _ port: Int) async throws {
    await #expect(throws: NetworkError.certificateRefused(reason: "it is revoked")) {
      try await client(credentials, port: port).withSession { try await expectNothing($0) }
    }
  }

  /// Waits for a message that does not come: a refusal arrives with the first read.
  private func expectNothing(_ session: ClientSession) async throws {
    var incoming = session.incoming.makeAsyncIterator()
    let message = try await incoming.next()
    #expect(message == nil)
  }

  @Test func whoTheServerTurnsAwayIsTold() async throws {
    let ann = try authority.worker("ann")
    try authority.registrar.revoke("ann")
    try await withServer(
      authority.coordinator, registrar: try authority.registrar, settings: settings,
      handle: echoBeats
    ) { server in
      try await expectRefusedHandshake(ann, server.port)
      var refusals = server.refusals.makeAsyncIterator()
      let refusal = try #require(await refusals.next())
      #expect(refusal.name == "ann" && refusal.cause == .revokedCertificate)
      #expect(refusal.reason.contains("certificate revoked"))
    }
  }

  @Test func aCertificateThatExpiresEndsItsConnection() async throws {
    let ann = try authority.worker("ann", validity: .lasting(.seconds(8)))
    let context = try TLSContext(ann)
    try await withServer(
      authority.coordinator, registrar: try authority.registrar, settings: settings,
      handle: echoBeats
    ) { server in
      // A client that does not renew.
      let client = try TLSClient(
        host: "127.0.0.1", port: server.port, context: context, expectedName: nil,
        settings: settings, logger: LogRecorder().logger)
      try await client.withSession { session in
        try await expectEcho(session)
        let refusal = try await refusal(session)
        #expect(refusal?.code == .certificate)
        #expect(refusal?.reason.contains("expired") == true)
      }
      await #expect(throws: NetworkError.certificateRefused(reason: "it has expired")) {
        try await client.withSession { try await expectNothing($0) }
      }
      // The session, and the handshake.
      try await waitForCount(2, of: .expiredCertificate)
    }
  }

  @Test func aCertificateIsRenewedWhileASessionGoesOn() async throws {
    let log = LogRecorder()
    let ann = try authority.worker("ann", validity: .lasting(.seconds(8)))
    let first = try Certificate(path: ann.certificatePath)
    let end = try #require(first.notAfter) + .seconds(1)
    let payload = noise(256 << 10)
    let received = Shared(0)
    try await withServer(
      authority.coordinator, registrar: try authority.registrar, settings: settings, log: log,
      handle: { session in
        session.admit(4 << 20, PayloadInbox())
        do {
          for try await message in session.incoming {
            switch message {
            case .heartbeat(let beat):
              try await session.send(.heartbeat(sequence: beat.sequence))
            case .contribution(let upload):
              #expect(try upload.payload.bytes() == payload)
              received.change { $0 += 1 }
            default: Issue.record("\(message)")
            }
          }
        } catch { recordUnlessCancelled(error) }
      }
    ) { server in
      try await client(ann, port: server.port, settings: settings, log: log).withSession {
        session in
        var beat: UInt64 = 1
        try await expectEcho(of: beat, session)
        var sent = 0
        // Past the end of the first certificate, with uploads all the time.
        while RunTime.now < end {
          beat += 1
          try await session.send(.contribution(upload(payload)))
          sent += 1
          try await expectEcho(of: beat, session)
        }
        #expect(received.value == sent)
      }
      let second = try Certificate(path: ann.certificatePath)
      #expect(second.serial != first.serial && second.keyDigest == first.keyDigest)
      #expect(try #require(second.notAfter) > #require(first.notAfter))
      try await client(ann, port: server.port).withSession { try await expectEcho($0) }
    }
    #expect(log.all.contains { $0.contains("certificate renewed") })
  }

  @Test func aRenewedCertificateOfTheCoordinatorIsShownToNewConnections() async throws {
    let log = LogRecorder()
    let ann = try authority.worker("ann")
    try await withServer(
      authority.coordinator, registrar: try authority.registrar, settings: settings, log: log,
      handle: echoBeats
    ) { server in
      try await client(ann, port: server.port).withSession { session in
        try await expectEcho(session)
        try authority.authority.renewCoordinator(validity: .days(700))
        #expect(await log.line(with: "new certificate in use") != nil)
        try await expectEcho(of: 2, session)
      }
      let serial = try Certificate(path: authority.coordinator.certificatePath).serial
      let place = try Place(host: "127.0.0.1", port: server.port)
      let connection = try await place.connect(TLSContext(ann), settings: settings)
      try await connection.run { peer, _ in #expect(peer.serial == serial) }
    }
  }

  @Test func aRegistryThatCannotBeReadTakesBackNothingThatWasRefused() async throws {
    let log = LogRecorder()
    let ann = try authority.worker("ann")
    let bob = try authority.worker("bob")
    try authority.registrar.revoke("ann")
    try await withServer(
      authority.coordinator, registrar: try authority.registrar, settings: settings, log: log,
      handle: echoBeats
    ) { server in
      try replaceFile("\(authority.authority.folder)/registry.json", with: [1, 2, 3])
      #expect(await log.line(with: "certificates not read", "registry.json") != nil)
      try await expectRefusedHandshake(ann, server.port)
      try await client(bob, port: server.port).withSession { try await expectEcho($0) }
    }
  }
}
