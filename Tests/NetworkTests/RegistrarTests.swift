// SPDX-License-Identifier: Apache-2.0
import Digests
import Federation
import Foundation
import Messages
import Rounds
import Testing

@testable import Network

/// What the authority decides, without a connection.
@Suite struct RegistrarTests {
  private let authority: TestAuthority
  private let registrar: Registrar

  init() throws {
    authority = try TestAuthority()
    registrar = try authority.registrar
  }

  private func enrolment(_ invitation: Invitation, _ key: PrivateKey) throws -> Enrolment {
    Enrolment(
      secret: invitation.secret, request: try SigningRequest.der(for: key), software: "test")
  }

  @Test func theNameComesFromTheInvitationAndTheKeyFromTheRequest() throws {
    let invitation = try registrar.invite("ann", port: 1, validity: .seconds(90))
    let key = try PrivateKey()
    let grant = try registrar.enrol(enrolment(invitation, key))
    let certificate = try Certificate(der: grant.certificate)
    #expect(certificate.commonName == "ann")
    #expect(certificate.role == .worker)
    #expect(key.belongs(to: certificate))
    #expect(try certificate.isSigned(by: Certificate(der: grant.authority)))
    let life = try #require(certificate.notAfter) - .now
    #expect(life > .seconds(80) && life <= .seconds(90))
  }

  @Test func whoLostTheAnswerGetsTheSameAgainAndAnotherKeyNothing() throws {
    let invitation = try registrar.invite("ann", port: 1)
    let key = try PrivateKey()
    let grant = try registrar.enrol(enrolment(invitation, key))
    // Another process, too, knows that it was used.
    #expect(try authority.registrar.enrol(enrolment(invitation, key)) == grant)
    #expect(throws: EnrolmentRefusal.usedInvitation(name: "ann")) {
      try registrar.enrol(enrolment(invitation, PrivateKey()))
    }
    let late = invitation.expires + .seconds(1)
    #expect(throws: EnrolmentRefusal.self) {
      try registrar.enrol(enrolment(invitation, key), at: late)
    }
  }

  @Test func whatDoesNotHoldIsRefusedWithItsReason() throws {
    let expired = try registrar.invite("ann", port: 1, for: .zero)
    let now = expired.expires + .seconds(1)
    #expect(
      throws: EnrolmentRefusal.expiredInvitation(name: "ann", at: expired.expires.inWords)
    ) {
      try registrar.enrol(enrolment(expired, PrivateKey()), at: now)
    }
    let first = try registrar.invite("bob", port: 1)
    let second = try registrar.invite("bob", port: 1)
    #expect(throws: EnrolmentRefusal.withdrawnInvitation(name: "bob")) {
      try registrar.enrol(enrolment(first, PrivateKey()))
    }
    _ = try registrar.enrol(enrolment(second, PrivateKey()))
    let unknown = Enrolment(
      secret: Array(repeating: 0, count: 32), request: try SigningRequest.der(for: PrivateKey()),
      software: "test")
    #expect(throws: EnrolmentRefusal.unknownInvitation) { try registrar.enrol(unknown) }
  }

  @Test func aRequestThatProvesNothingUsesNothingUp() throws {
    let invitation = try registrar.invite("ann", port: 1)
    let good = try enrolment(invitation, PrivateKey())
    var requests = [[], [0x30], good.request.dropLast(), good.request + [0]].map { Array($0) }
    // The signature is at the end.
    var forged = good.request
    forged[forged.count - 3] ^= 1
    requests.append(forged)
    for request in requests {
      let bad = Enrolment(secret: invitation.secret, request: request, software: "test")
      #expect(throws: EnrolmentRefusal.self) { try registrar.enrol(bad) }
    }
    _ = try registrar.enrol(good)
  }

  @Test func noCertificateWithoutTheAuthoritysKeyAndTheInvitationStaysGood() throws {
    let invitation = try registrar.invite("ann", port: 1)
    let path = "\(authority.authority.folder)/authority.key"
    try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
    let key = try PrivateKey()
    let refusal = #expect(throws: EnrolmentRefusal.self) {
      try registrar.enrol(enrolment(invitation, key))
    }
    #expect(refusal?.cause == .authorityAway)
    #expect("\(String(describing: refusal))".contains("kept elsewhere"))
    try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
    _ = try registrar.enrol(enrolment(invitation, PrivateKey()))
  }

  @Test func aRevokedNameIsOutUntilItIsInvitedAnew() throws {
    let first = try registrar.invite("ann", port: 1)
    let key = try PrivateKey()
    let old = try Certificate(der: registrar.enrol(enrolment(first, key)).certificate)
    let open = try registrar.invite("ann", port: 1)
    try registrar.revoke("ann")
    func isRevoked(_ certificate: Certificate) throws -> Bool {
      try registrar.registry.read().isRevoked(name: "ann", serial: certificate.serial)
    }
    #expect(try isRevoked(old))
    #expect(try registrar.registry.read().isRevoked(name: "ann", serial: "not issued here"))
    #expect(try !registrar.registry.read().isRevoked(name: "bob", serial: "not issued here"))
    for invitation in [first, open] {
      #expect(throws: EnrolmentRefusal.withdrawnInvitation(name: "ann")) {
        try registrar.enrol(enrolment(invitation, key))
      }
    }
    let again = try registrar.invite("ann", port: 1)
    let new = try Certificate(der: registrar.enrol(enrolment(again, key)).certificate)
    #expect(try !isRevoked(new) && isRevoked(old))
    #expect(new.serial != old.serial)
    #expect(throws: NetworkError.unknownWorker("nobody")) { try registrar.revoke("nobody") }
  }

  @Test func aRenewedCertificateHoldsAsLongAndIsGivenAgainWhenItWasLost() throws {
    let invitation = try registrar.invite("ann", port: 1, validity: .seconds(600))
    let key = try PrivateKey()
    let request = try SigningRequest.der(for: key)
    let old = try Certificate(der: registrar.enrol(enrolment(invitation, key)).certificate)
    let later = try #require(old.notAfter) + .seconds(-200)
    let new = try registrar.renew("ann", serial: old.serial, request: request, at: later)
    #expect(new.serial != old.serial)
    #expect(new.notAfter - later > .seconds(590) && new.notAfter - later <= .seconds(600))
    #expect(try registrar.renew("ann", serial: old.serial, request: request, at: later) == new)
    try registrar.revoke("ann")
    #expect(throws: EnrolmentRefusal.revoked(name: "ann")) {
      try registrar.renew("ann", serial: new.serial, request: request, at: later)
    }
  }

  @Test func whoChangesTheRegistryAtOnceLosesNothing() async throws {
    let folder = authority.authority.folder
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<12 {
        group.addTask {
          let registrar = try Registrar(folder: folder)
          _ = try registrar.invite("worker-\(number)", port: 1)
          try registrar.registry.change { $0.count([.capacity: 1]) }
        }
      }
      try await group.waitForAll()
    }
    #expect(try registrar.members().count { $0.state == .invited } == 12)
    #expect(try registrar.refusals() == ["capacity": 12])
  }

  @Test func aDamagedRegistryIsNotTakenForAnEmptyOne() throws {
    _ = try registrar.invite("ann", port: 1)
    let path = "\(authority.authority.folder)/registry.json"
    let bytes = try readSmallFile(path)
    try replaceFile(path, with: Array(bytes.dropLast(20)))
    let error = #expect(throws: NetworkError.self) { try authority.registrar }
    guard case .damagedRegistry(path, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.isAboutFiles == true)
  }
}
