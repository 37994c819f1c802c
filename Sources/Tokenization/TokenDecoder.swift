// SPDX-License-Identifier: Apache-2.0

/// How tokens become text again.
enum TokenDecoder: Sendable {
  /// The bytes that the tokens stand for, end to end; what is not UTF-8 becomes U+FFFD.
  case byteLevel
  /// The tokens as they are spelt, end to end.
  case concatenated
  /// The tokens as they are spelt, with spaces between: a tokenizer without a decoder.
  case spaced

  /// The text of `tokens`.
  func text(of tokens: [ArraySlice<UInt8>]) -> String {
    switch self {
    case .byteLevel:
      var bytes: [UInt8] = []
      for token in tokens { ByteAlphabet.append(token, to: &bytes) }
      return String(decoding: bytes, as: UTF8.self)
    case .concatenated: return String(decoding: Array(tokens.joined()), as: UTF8.self)
    case .spaced:
      return String(decoding: Array(tokens.joined(separator: [0x20])), as: UTF8.self)
    }
  }
}
