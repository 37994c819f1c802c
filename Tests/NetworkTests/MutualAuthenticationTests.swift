// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import COpenSSLSystem
import Rounds
import Testing

@testable import Network

/// Who is let in, who is not, and what both sides hear about it.
@Suite struct MutualAuthenticationTests {
  private let authority: TestAuthority
  private let server: TLSContext

  init() throws {
    authority = try TestAuthority()
    server = try TLSContext(authority.coordinator)
  }

  /// Expects that the server refuses the client, and the client learns why at its first read.
  private func expectRefusal(
    of client: TLSContext, here: NetworkError, there: NetworkError
  ) throws {
    let pair = try EnginePair(client: client, server: server)
    let steps = pair.shakeHands()
    #expect(steps.server == .failed(here))
    #expect(steps.client == .complete, "TLS 1.3: the client cannot know yet")
    #expect(plaintext(of: pair.client) == ([], .failed(there)))
  }

  /// Expects that the client refuses the server, and the server hears why.
  private func expectRefusal(
    byClientFor host: String, of server: TLSContext, here: NetworkError, there: NetworkError
  ) throws {
    let pair = try EnginePair(
      client: TLSContext(try authority.worker("ann")), server: server, host: host)
    let steps = pair.shakeHands()
    #expect(steps.client == .failed(here))
    #expect(steps.server == .failed(there))
  }

  @Test func aWorkerOfAStrangersAuthority() throws {
    let stranger = try TestAuthority()
    let client = try TLSContext(try stranger.worker("eve"))
    try client.trust(authority.authority.folder)
    try expectRefusal(
      of: client,
      here: .untrustedPeer(name: "eve", reason: "unable to get local issuer certificate"),
      there: .certificateRefused(reason: "it was issued by an authority unknown there"))
  }

  @Test func aCoordinatorOfAStrangersAuthority() throws {
    let stranger = try TestAuthority()
    try expectRefusal(
      byClientFor: "127.0.0.1", of: TLSContext(stranger.coordinator),
      here: .untrustedPeer(
        name: "coordinator", reason: "unable to get local issuer certificate"),
      there: .certificateRefused(reason: "it was issued by an authority unknown there"))
  }

  @Test func aWorkerWithoutACertificate() throws {
    let client = try TLSContext(try authority.worker("ann"))
    client.showNothing()
    try expectRefusal(
      of: client, here: .handshakeFailed("peer did not return a certificate"),
      there: .certificateRefused(reason: "none was shown"))
  }

  @Test func anExpiredWorker() throws {
    let validity = Validity(from: past, dayCount: 1)
    let client = try TLSContext(try authority.worker("old", validity: validity), at: past)
    try expectRefusal(
      of: client, here: .untrustedPeer(name: "old", reason: "certificate has expired"),
      there: .certificateRefused(reason: "it has expired"))
  }

  @Test func aWorkerOfTheFuture() throws {
    let start = RunTime(nanoseconds: 4_000_000_000_000_000_000)
    let client = try TLSContext(
      try authority.worker("new", validity: Validity(from: start, dayCount: 1)), at: start)
    try expectRefusal(
      of: client, here: .untrustedPeer(name: "new", reason: "certificate is not yet valid"),
      there: .certificateRefused(
        reason: "it is damaged, not valid yet, or names another host"))
  }

  @Test func anExpiredCoordinator() throws {
    let folder = try TemporaryFolder()
    let old = try CertificateAuthority.create(
      in: "\(folder.path)/old", names: ["127.0.0.1"],
      authority: Validity(from: past, dayCount: 36_500),
      coordinator: Validity(from: past, dayCount: 1))
    let worker = try TLSContext(Credentials(workerFolder: try old.issue("ann")))
    let pair = try EnginePair(
      client: worker, server: TLSContext(old.coordinatorCredentials, at: past))
    #expect(
      pair.shakeHands().client
        == .failed(.untrustedPeer(name: "coordinator", reason: "certificate has expired")))
  }

  @Test(arguments: ["127.0.0.2", "::2", "example.org", "localhost.localdomain", "coordinator"])
  func aHostOfAnotherName(host: String) throws {
    let reason = host == "127.0.0.2" || host == "::2" ? "IP address mismatch" : "hostname mismatch"
    try expectRefusal(
      byClientFor: host, of: server,
      here: .untrustedPeer(name: "coordinator", reason: reason),
      there: .certificateRefused(reason: "it is damaged, not valid yet, or names another host"))
  }

  @Test(arguments: ["127.0.0.1", "::1", "localhost", "LOCALHOST"])
  func aHostOfTheRightName(host: String) throws {
    #expect(try EnginePair(authority, host: host).shakeHands() == (.complete, .complete))
  }

  @Test func aWorkersCertificateThatServes() throws {
    let key = try PrivateKey()
    let template = CertificateTemplate(
      commonName: "ann", role: .worker, validity: .days(1), alternativeNames: "IP:127.0.0.1")
    let impostor = try TLSContext(authority.coordinator)
    try impostor.show(try template.signed(for: key, by: authority.signer()), of: key)
    try expectRefusal(
      byClientFor: "127.0.0.1", of: impostor,
      here: .untrustedPeer(name: "ann", reason: "it is not a coordinator's certificate"),
      there: .certificateRefused(reason: "it is not for this role"))
  }

  @Test func aCoordinatorsCertificateThatWorks() throws {
    let key = try PrivateKey()
    let template = CertificateTemplate(commonName: "x", role: .coordinator, validity: .days(1))
    let certificate = try template.signed(for: key, by: authority.signer())
    try expectRefusal(
      of: .worker(authority, showing: certificate, of: key),
      here: .untrustedPeer(name: "x", reason: "it is not a worker's certificate"),
      there: .certificateRefused(reason: "it is not for this role"))
  }

  @Test func aCertificateForNoRole() throws {
    let signer = try authority.signer()
    let key = try PrivateKey()
    let template = CertificateTemplate(commonName: "ann", role: .worker, validity: .days(1))
    let certificate = try template.signed(for: key, by: signer)
    let index = X509_get_ext_by_NID(certificate.handle, NID_ext_key_usage, -1)
    X509_EXTENSION_free(X509_delete_ext(certificate.handle, index))
    try #require(X509_sign(certificate.handle, signer.key.handle, EVP_sha256()) > 0)
    let reread = try TemporaryFolder()
    try writeFolder("\(reread.path)/c", files: [NewFile(name: "c", bytes: certificate.pem())])
    let client = try TLSContext.worker(
      authority, showing: Certificate(path: "\(reread.path)/c/c"), of: key)
    try expectRefusal(
      of: client,
      here: .untrustedPeer(name: "ann", reason: "it is not a worker's certificate"),
      there: .certificateRefused(reason: "it is not for this role"))
  }

  @Test(arguments: ["a b", "..", "a/b"])
  func aNameThatIsNoWorkers(name: String) throws {
    let key = try PrivateKey()
    let template = CertificateTemplate(commonName: name, role: .worker, validity: .days(1))
    let certificate = try template.signed(for: key, by: authority.signer())
    let client = try TLSContext.worker(authority, showing: certificate, of: key)
    let pair = try EnginePair(client: client, server: server)
    #expect(
      pair.shakeHands().server
        == .failed(.untrustedPeer(name: name, reason: "its subject is not a well-formed name")))
  }

  @Test func olderVersionsOfTLS() throws {
    let client = try TLSContext(try authority.worker("ann"))
    try #require(
      tern_ssl_ctx_set_protocol_range(client.handle, TLS1_2_VERSION, TLS1_2_VERSION) == 1)
    let pair = try EnginePair(client: client, server: server)
    #expect(pair.shakeHands().server == .failed(.handshakeFailed("unsupported protocol")))
  }
}
