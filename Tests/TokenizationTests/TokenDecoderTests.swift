// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

@Suite struct TokenDecoderTests {
  private func text(_ decoder: TokenDecoder, _ tokens: [String]) -> String {
    decoder.text(of: tokens.map { ArraySlice($0.utf8) })
  }

  @Test func bytesAreJoinedBeforeTheyAreRead() {
    #expect(text(.byteLevel, ["Ġcaf", "Ã", "©"]) == " café")
    #expect(text(.byteLevel, ["Ã", "x", "©"]) == "\u{FFFD}x\u{FFFD}")
    #expect(text(.byteLevel, ["ðŁ", "ĳ"]) == "\u{FFFD}")
    #expect(text(.byteLevel, []) == "")
  }

  @Test func eachRunOfWrongBytesIsReplacedAsUnicodeRecommends() {
    // E2 82 begins a character; F0 80 does not.
    let tokens = [[0xE2, 0x82, 0x41], [0xF0, 0x80, 0x41], [0xC0], [0xFF, 0xFE]].map { bytes in
      String(String.UnicodeScalarView(bytes.map { ByteAlphabet.scalars[$0] }))
    }
    #expect(
      text(.byteLevel, tokens).unicodeScalars.map(\.value) == [
        0xFFFD, 0x41, 0xFFFD, 0xFFFD, 0x41, 0xFFFD, 0xFFFD, 0xFFFD,
      ])
  }

  @Test func otherDecodersTakeTokensAsTheyAreSpelt() {
    #expect(text(.concatenated, ["Ġa", "é", "b"]) == "Ġaéb")
    #expect(text(.spaced, ["Ġa", "é", "b"]) == "Ġa é b")
    #expect(text(.spaced, ["a"]) == "a")
  }
}

@Suite struct SpecialTokenTemplateTests {
  @Test func tokensAreSetAround() {
    let template = SpecialTokenTemplate(parts: [.special([1, 2]), .text, .special([3])])
    #expect(template.applied(to: [7]) == [1, 2, 7, 3])
    #expect(template.applied(to: []) == [1, 2, 3])
    #expect(SpecialTokenTemplate.none.applied(to: [7]) == [7])
    #expect(SpecialTokenTemplate(parts: [.text, .text]).applied(to: [7]) == [7, 7])
  }

  @Test func templatesNest() {
    let inner = SpecialTokenTemplate(parts: [.text, .special([3])])
    let outer = SpecialTokenTemplate(parts: [.special([1]), .text])
    #expect(outer.wrapped(around: inner).applied(to: [7]) == [1, 7, 3])
    #expect(SpecialTokenTemplate.none.wrapped(around: inner) == inner)
    #expect(inner.wrapped(around: .none) == inner)
  }
}

@Suite struct TokenizationErrorTests {
  @Test func everyErrorIsOneLineThatSaysWhere() {
    let errors: [(TokenizationError, String)] = [
      (
        .missing(path: "model.vocab"),
        "tokenizer: model.vocab is missing; is this the tokenizer of a byte-level BPE model?"
      ),
      (
        .wrongType(path: "added_tokens[2].id", expected: "a whole number"),
        "tokenizer: added_tokens[2].id must be a whole number"
      ),
      (
        .invalid(path: "model.vocab", problem: "gives the id 1 to both 'a' and 'b'"),
        "tokenizer: model.vocab gives the id 1 to both 'a' and 'b'"
      ),
      (
        .unsupported(path: "model.type", found: "Unigram", supported: "BPE"),
        "tokenizer: model.type is 'Unigram', which is not supported; use a model with BPE"
      ),
    ]
    let hostile = TokenizationError.missing(path: "a\r\nb\u{1B}[31m")
    #expect(hostile.description.hasPrefix("tokenizer: a\u{FFFD}b\u{FFFD}[31m is missing"))
    for (error, text) in errors { #expect(error.description == text) }
  }
}
