// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

@Suite struct NormalizerTests {
  private func composed(_ text: String) -> [UInt32] {
    Normalizer.canonicalComposition.normalized(text).unicodeScalars.map(\.value)
  }

  @Test func charactersAreComposed() {
    #expect(composed("e\u{301}") == [0xE9])
    #expect(composed("\u{212B}\u{2126}\u{212A}") == [0xC5, 0x3A9, 0x4B])
    #expect(composed("\u{1100}\u{1161}\u{11A8}") == [0xAC01])
    #expect(composed("s\u{323}\u{307}") == [0x1E69])
    #expect(composed("s\u{307}\u{323}") == [0x1E69])
    #expect(composed("\u{0}abc\u{7F}") == [0, 97, 98, 99, 0x7F])
  }

  @Test func excludedCharactersStayDecomposed() {
    #expect(composed("\u{958}") == [0x915, 0x93C])
    #expect(composed("\u{344}") == [0x308, 0x301])
    #expect(composed("\u{FB01}\u{BD}") == [0xFB01, 0xBD])
  }

  @Test func identityChangesNothing() {
    let text = "e\u{301}\u{212B}"
    #expect(isIdentical(Normalizer.identity.normalized(text), text))
    #expect(Normalizer.canonicalComposition.normalized("") == "")
  }
}
