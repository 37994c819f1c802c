// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Rounds
import Testing

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
    let list = try authority.authority.certificates()
    #expect(list.map(\.name) == ["Tern authority", "coordinator", "ann", "bob"])
    #expect(list.map(\.role) == [.authority, .coordinator, .worker, .worker])
    #expect(list[3].notBefore == start)
    #expect(list[3].notAfter == start + .seconds(7 * 86_400))
    #expect(Set(list.map(\.serial)).count == 4)
    #expect(Set(list.map(\.fingerprint)).count == 4)
    for certificate in list { #expect((28...32).contains(certificate.serial.utf8.count)) }
  }

  @Test func theListNamesADamagedFile() throws {
    let authority = try TestAuthority()
    let folder = try authority.authority.issue("ann")
    try Data("-----BEGIN CERTIFICATE-----\nAAAA\n".utf8).write(
      to: URL(filePath: "\(folder)/worker.pem"))
    #expect(
      throws: NetworkError.malformed(path: "\(folder)/worker.pem", expected: "a certificate")
    ) {
      try authority.authority.certificates()
    }
  }
}
