// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Rounds
import Testing

/// What is wrong with a folder of certificates is said when it is loaded, before any connection.
@Suite struct CredentialsTests {
  private let authority: TestAuthority
  private let folder: String

  init() throws {
    authority = try TestAuthority()
    folder = try authority.authority.issue("ann")
  }

  private func load(_ folder: String) throws {
    _ = try client(.init(workerFolder: folder), port: 1)
  }

  private func error(_ folder: String) -> NetworkError? {
    do {
      try load(folder)
      return nil
    } catch { return error as? NetworkError }
  }

  @Test(arguments: ["worker.pem", "worker.key", "authority.pem"])
  func aMissingFileIsNamed(name: String) throws {
    try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    #expect(
      error(folder)
        == .unreadable(path: "\(folder)/\(name)", reason: "No such file or directory"))
  }

  @Test(arguments: ["worker.pem", "worker.key", "authority.pem"])
  func aDamagedFileIsNamed(name: String) throws {
    let path = "\(folder)/\(name)"
    let bytes = try Data(contentsOf: URL(filePath: path))
    for count in [0, 10, bytes.count / 2] {
      try bytes.prefix(count).write(to: URL(filePath: path))
      #expect(chmod(path, 0o600) == 0)
      guard case .malformed(path, _) = error(folder) else {
        Issue.record("\(count) bytes of \(name) gave \(String(describing: error(folder)))")
        continue
      }
    }
  }

  @Test(arguments: [0o640, 0o604, 0o620, 0o644, 0o777])
  func aKeyThatOthersCanReachIsRefused(mode: Int) throws {
    let path = "\(folder)/worker.key"
    #expect(chmod(path, mode_t(mode)) == 0)
    #expect(error(folder) == .exposedKey(path: path, mode: String(mode, radix: 8)))
    #expect(chmod(path, 0o400) == 0)
    #expect(error(folder) == nil)
  }

  @Test func aKeyOfAnotherCertificateIsRefused() throws {
    let other = try authority.authority.issue("bob")
    try FileManager.default.removeItem(atPath: "\(folder)/worker.key")
    try FileManager.default.copyItem(
      atPath: "\(other)/worker.key", toPath: "\(folder)/worker.key")
    #expect(
      error(folder)
        == .keyMismatch(key: "\(folder)/worker.key", certificate: "\(folder)/worker.pem"))
  }

  @Test func anAuthorityThatDidNotSignIsRefused() throws {
    let stranger = try TestAuthority()
    try FileManager.default.removeItem(atPath: "\(folder)/authority.pem")
    try FileManager.default.copyItem(
      atPath: "\(stranger.authority.folder)/authority.pem", toPath: "\(folder)/authority.pem")
    #expect(
      error(folder)
        == .foreignCertificate(
          path: "\(folder)/worker.pem", authority: "\(folder)/authority.pem"))
  }

  @Test func anExpiredAndAFutureCertificateAreRefusedWithTheTime() throws {
    let old = try authority.authority.issue("old", validity: Validity(from: past, dayCount: 1))
    #expect(error(old) == .expired(path: "\(old)/worker.pem", at: "2020-09-14T12:26:40Z"))
    let future = Validity(from: RunTime(nanoseconds: 4_000_000_000_000_000_000), dayCount: 1)
    let new = try authority.authority.issue("new", validity: future)
    #expect(error(new) == .notYetValid(path: "\(new)/worker.pem", from: "2096-10-02T07:06:40Z"))
  }

  @Test func aWorkersCertificateCannotServe() async throws {
    let stolen = try authority.folder.copy(of: folder)
    for suffix in ["pem", "key"] {
      try FileManager.default.moveItem(
        atPath: "\(stolen)/worker.\(suffix)", toPath: "\(stolen)/coordinator.\(suffix)")
    }
    await #expect(
      throws: NetworkError.wrongRole(
        path: "\(stolen)/coordinator.pem", role: .worker, expected: .coordinator)
    ) {
      try await TLSServer(
        host: "127.0.0.1", port: 0, credentials: Credentials(coordinatorFolder: stolen),
        logger: LogRecorder().logger)
    }
  }

  @Test func aKeyWithAPassphraseIsRefusedAndNotAskedFor() throws {
    let path = "\(folder)/worker.key"
    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"
    try Data(text.utf8).write(to: URL(filePath: path))
    #expect(chmod(path, 0o600) == 0)
    #expect(error(folder) == .encryptedKey(path: path))
  }

  @Test func everyErrorIsOneLineThatNamesItsFile() {
    let errors: [NetworkError] = [
      .unreadable(path: "P", reason: "R"), .unwritable(path: "P", reason: "R"),
      .alreadyExists(path: "P"), .malformed(path: "P", expected: "E"),
      .exposedKey(path: "P", mode: "644"), .encryptedKey(path: "P"),
      .keyMismatch(key: "P", certificate: "C"), .expired(path: "P", at: "T"),
      .notYetValid(path: "P", from: "T"),
      .wrongRole(path: "P", role: .authority, expected: .worker),
      .foreignCertificate(path: "P", authority: "A"), .wrongPassphrase(path: "P"),
      .noPassphrase(path: "P"), .passphraseNeeded(path: "P"),
      .damagedRegistry(path: "P", reason: "R"),
      .folderOfAnother(path: "P", name: "N", invited: "I"),
    ]
    for error in errors {
      #expect("\(error)".contains("P"))
      #expect(!"\(error)".contains("\n"))
    }
  }

  @Test func everyErrorOfAConnectionHasItsOwnWords() {
    let errors: [NetworkError] = [
      .workerName("N"), .hostName("N"), .noHostNames, .library("R"),
      .cannotListen(address: "A", reason: "R"), .cannotConnect(address: "A", reason: "R"),
      .tooManyConnections(limit: 7), .handshakeTimeout(.seconds(3)), .handshakeFailed("R"),
      .untrustedPeer(name: "N", reason: "R"), .untrustedPeer(name: "", reason: "R"),
      .certificateRefused(reason: "R"), .refusedByPeer(alert: "R"), .closedDuringHandshake,
      .corruptStream("R"), .truncated, .connectionLost("R"), .closed,
      .unknownWorker("N"), .revokedWorker("N"), .hostNotServed("H", names: ["N"]),
      .malformedCertificate, .unusableCertificate("R"), .damagedInvitation("R"), .noEnrolment,
      .enrolmentTimeout(.seconds(3)), .enrolmentRefused(reason: "R", isRetryable: false),
      .dismissed(reason: "R"),
    ]
    let texts = errors.map { "\($0)" }
    #expect(Set(texts).count == texts.count)
    for text in texts {
      #expect(text != "network failure")
      #expect(!text.contains("\n"))
    }
  }
}
