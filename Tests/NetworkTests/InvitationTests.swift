// SPDX-License-Identifier: Apache-2.0
import Rounds
import Testing

@testable import Network

@Suite struct InvitationTests {
  private let authority: TestAuthority

  init() throws { authority = try TestAuthority() }

  @Test(arguments: ["127.0.0.1", "::1", "localhost"])
  func theLineIsPrintableAndSaysTheSame(host: String) throws {
    let invitation = try authority.registrar.invite("ann-1.b_c", host: host, port: 7070)
    let line = invitation.line
    #expect(line.hasPrefix("tern-join:1:ann-1.b_c:"))
    #expect(line.utf8.allSatisfy { (0x21...0x7E).contains($0) })
    #expect(try Invitation(line) == invitation)
    #expect(invitation.host == host && invitation.port == 7070)
    #expect(
      try invitation.authority
        == Certificate(path: "\(authority.authority.folder)/authority.pem").fingerprint)
  }

  @Test func anyAlteredCharacterIsNoticed() throws {
    let line = try authority.registrar.invite("ann", port: 7070).line
    for position in line.indices {
      var altered = line
      altered.replaceSubrange(position...position, with: line[position] == "x" ? "y" : "x")
      #expect(throws: NetworkError.self, "\(altered)") { try Invitation(altered) }
      #expect(throws: NetworkError.self) { try Invitation(String(line[..<position])) }
    }
    #expect(throws: NetworkError.damagedInvitation("its checksum is wrong")) {
      try Invitation(line + "0")
    }
    let text = "\(NetworkError.damagedInvitation("its checksum is wrong"))"
    #expect(text.hasPrefix("the invitation is damaged"))
  }

  @Test func theFirstNameOfTheCoordinatorIsTheDefault() throws {
    #expect(try authority.registrar.invite("ann", port: 7070).host == "127.0.0.1")
    #expect(
      throws: NetworkError.hostNotServed(
        "example.org", names: ["127.0.0.1", "::1", "localhost"])
    ) {
      try authority.registrar.invite("ann", host: "example.org", port: 7070)
    }
  }

  @Test func theRegistryHoldsNoSecret() throws {
    let invitation = try authority.registrar.invite("ann", port: 7070)
    let path = "\(authority.authority.folder)/registry.json"
    let text = String(decoding: try readSmallFile(path, isSecret: true), as: UTF8.self)
    let secret = invitation.line.split(separator: ":").suffix(3).first.map(String.init)
    #expect(try !text.contains(#require(secret)))
    #expect(text.contains("\(invitation.secretDigest)"))
  }

  @Test(arguments: ["", "a b", "..", "a:b"]) func onlyWorkersAreInvited(name: String) throws {
    #expect(throws: NetworkError.workerName(name)) {
      try authority.registrar.invite(name, port: 7070)
    }
  }
}
