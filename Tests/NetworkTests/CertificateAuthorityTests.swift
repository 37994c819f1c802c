// SPDX-License-Identifier: Apache-2.0
import Foundation
import Rounds
import Testing

@testable import Network

@Suite struct CertificateAuthorityTests {
  @Test func createMakesFourFilesWithSecretKeys() throws {
    let authority = try TestAuthority()
    let folder = authority.authority.folder
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        == ["authority.key", "authority.pem", "coordinator.key", "coordinator.pem"])
    #expect(try mode(of: "\(folder)/authority.key") == "600")
    #expect(try mode(of: "\(folder)/coordinator.key") == "600")
    #expect(try mode(of: "\(folder)/authority.pem") == "644")
    // Nothing of the draft is left beside it.
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: authority.folder.path)
        == ["certificates"])
  }

  @Test func issueMakesAFolderThatIsAllAWorkerNeeds() throws {
    let authority = try TestAuthority()
    let folder = try authority.authority.issue("ann-1.b_c")
    #expect(folder == "\(authority.authority.folder)/workers/ann-1.b_c")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        == ["authority.pem", "worker.key", "worker.pem"])
    #expect(try mode(of: "\(folder)/worker.key") == "600")
    let copy = try authority.folder.copy(of: folder)
    _ = try client(Credentials(workerFolder: copy), port: 1)
  }

  @Test func existingFilesAreNeverOverwritten() throws {
    let authority = try TestAuthority()
    let folder = authority.authority.folder
    let before = try Data(contentsOf: URL(filePath: "\(folder)/authority.key"))
    #expect(throws: NetworkError.alreadyExists(path: folder)) {
      try CertificateAuthority.create(in: folder, names: ["localhost"])
    }
    #expect(try Data(contentsOf: URL(filePath: "\(folder)/authority.key")) == before)
    _ = try authority.authority.issue("ann")
    #expect(throws: NetworkError.alreadyExists(path: "\(folder)/workers/ann")) {
      try authority.authority.issue("ann")
    }
  }

  @Test func anEmptyFolderAndMissingParentsAreFine() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/empty", withIntermediateDirectories: false)
    try CertificateAuthority.create(in: "\(folder.path)/empty/", names: ["localhost"])
    try CertificateAuthority.create(in: "\(folder.path)/a/b/c", names: ["localhost"])
    _ = try CertificateAuthority(folder: "\(folder.path)/a/b/c")
  }

  @Test func aFileInTheWayIsNotReplaced() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/file"
    try Data("text".utf8).write(to: URL(filePath: path))
    #expect(throws: NetworkError.alreadyExists(path: path)) {
      try CertificateAuthority.create(in: path, names: ["localhost"])
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "text")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
  }

  @Test(arguments: ["", ".", "..", "a/b", "a b", "ä", String(repeating: "x", count: 65), "a\nb"])
  func aNameThatIsNoWorkersIsRefused(name: String) throws {
    let authority = try TestAuthority()
    #expect(throws: NetworkError.workerName(name)) { try authority.authority.issue(name) }
  }

  @Test(arguments: [
    "", "a b", "a,DNS:b", "*.example.org", "-a", "a-", "a..b", "1.2.3", "1.2.3.4.5", "300.1.1.1",
    "DNS:a", "email:a", "::1::", String(repeating: "a", count: 64), "a\n",
  ])
  func aHostNameThatIsNoneIsRefused(name: String) throws {
    let folder = try TemporaryFolder()
    #expect(throws: NetworkError.hostName(name)) {
      try CertificateAuthority.create(in: "\(folder.path)/a", names: ["localhost", name])
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func aCoordinatorNeedsAName() throws {
    let folder = try TemporaryFolder()
    #expect(throws: NetworkError.noHostNames) {
      try CertificateAuthority.create(in: "\(folder.path)/a", names: [])
    }
  }

  @Test func theListSaysWhoAndUntilWhen() throws {
    let authority = try TestAuthority()
    let start = RunTime(nanoseconds: 1_700_000_000_000_000_000)
    _ = try authority.authority.issue("bob", validity: Validity(from: start, dayCount: 7))
    _ = try authority.authority.issue("ann")
    _ = try authority.registrar.invite("cat", port: 7)
    let list = try authority.registrar.members()
    #expect(list.map(\.name) == ["Tern authority", "coordinator", "ann", "bob", "cat"])
    #expect(list.map(\.role) == [.authority, .coordinator, .worker, .worker, .worker])
    #expect(list.map(\.state) == [.active, .active, .active, .expired, .invited])
    #expect(list[3].until == start + .seconds(7 * 86_400))
    #expect(Set(list.compactMap(\.serial)).count == 4)
    for serial in list.compactMap(\.serial) { #expect((28...32).contains(serial.utf8.count)) }
  }

  @Test func aRenewedCertificateHasTheSameKeyAndNamesAndALaterEnd() throws {
    let authority = try TestAuthority()
    let folder = authority.authority.folder
    let before = try Certificate(path: "\(folder)/coordinator.pem")
    try authority.authority.renewCoordinator(validity: .days(700))
    let after = try Certificate(path: "\(folder)/coordinator.pem")
    #expect(after.keyDigest == before.keyDigest)
    #expect(try after.alternativeNames() == ["127.0.0.1", "::1", "localhost"])
    #expect(try #require(after.notAfter) > #require(before.notAfter))
    #expect(after.serial != before.serial)
    _ = try TLSContext(authority.coordinator)

    let worker = try authority.authority.issue("ann", validity: .days(1))
    #expect(try authority.authority.renew("ann", validity: .days(9)) == worker)
    _ = try TLSContext(Credentials(workerFolder: worker))
    try authority.registrar.revoke("ann")
    #expect(throws: NetworkError.revokedWorker("ann")) { try authority.authority.renew("ann") }
  }

  @Test func anEncryptedAuthoritySignsOnlyWithItsPassphrase() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/certificates"
    let passphrase = try #require(Passphrase("correct horse"))
    try CertificateAuthority.create(in: path, names: ["localhost"], passphrase: passphrase)
    let key = try String(contentsOfFile: "\(path)/authority.key", encoding: .utf8)
    #expect(key.hasPrefix("-----BEGIN ENCRYPTED PRIVATE KEY-----"))
    #expect(throws: NetworkError.passphraseNeeded(path: "\(path)/authority.key")) {
      try CertificateAuthority(folder: path)
    }
    let wrong = Passphrase("correct hors")
    #expect(throws: NetworkError.wrongPassphrase(path: "\(path)/authority.key")) {
      try CertificateAuthority(folder: path, passphrase: wrong)
    }
    #expect(throws: NetworkError.wrongPassphrase(path: "\(path)/authority.key")) {
      try Registrar(folder: path, passphrase: wrong)
    }
    #expect(try Registrar(folder: path).signingObstacle?.contains("encrypted") == true)
    #expect(try Registrar(folder: path, passphrase: passphrase).signingObstacle == nil)
    _ = try CertificateAuthority(folder: path, passphrase: passphrase).issue("ann")
  }

  @Test func aPassphraseIsTheFirstLineOfASecretFile() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/passphrase"
    try replaceFile(path, with: Array("a b c \nsecond line\n".utf8))
    #expect(try Passphrase(path: path).bytes == Array("a b c ".utf8))
    try replaceFile(path, with: Array("\n".utf8))
    #expect(throws: NetworkError.noPassphrase(path: path)) { try Passphrase(path: path) }
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    #expect(throws: NetworkError.exposedKey(path: path, mode: "644")) {
      try Passphrase(path: path)
    }
  }
}
