// SPDX-License-Identifier: Apache-2.0
import Digests
import FoundationEssentials
import Testing

@Suite struct DigestTests {
  /// The examples of FIPS 180-4.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func knownAnswers(text: String, hex: String) {
    #expect(Digest(of: Array(text.utf8)).description == hex)
  }

  @Test func aDigestIsItsHexadecimalDigits() throws {
    let digest = Digest(of: [1, 2, 3])
    #expect(Digest(hex: digest.description) == digest)
    #expect(Digest(hex: digest.description.uppercased()) == digest)
    #expect(Digest(bytes: digest.bytes) == digest)
    #expect(digest.short == String(digest.description.prefix(8)))
  }

  @Test func nothingElseIsADigest() {
    let hex = Digest(of: []).description
    for other in [
      "", String(hex.dropLast()), hex + "0", String(hex.dropLast()) + "g", " " + hex.dropFirst(),
      String(hex.dropLast()) + "é", String(hex.dropLast(2)) + "é",
    ] {
      #expect(Digest(hex: other) == nil)
    }
    #expect(Digest(bytes: [UInt8](repeating: 0, count: 31)) == nil)
    #expect(Digest(bytes: [UInt8](repeating: 0, count: 33)) == nil)
  }

  @Test func theFirstByteWeighsMost() throws {
    func digest(_ first: UInt8, _ last: UInt8) throws -> Digest {
      try #require(Digest(bytes: [first] + [UInt8](repeating: 7, count: 30) + [last]))
    }
    let ascending = try [digest(1, 0), digest(1, 1), digest(1, 200), digest(2, 0)]
    #expect(ascending.reversed().sorted() == ascending)
  }

  @Test func codingIsHexadecimal() throws {
    let digest = Digest(of: [9])
    let data = try JSONEncoder().encode([digest])
    #expect(String(decoding: data, as: UTF8.self) == "[\"\(digest)\"]")
    #expect(try JSONDecoder().decode([Digest].self, from: data) == [digest])
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([Digest].self, from: Data("[\"12ab\"]".utf8))
    }
  }
}
