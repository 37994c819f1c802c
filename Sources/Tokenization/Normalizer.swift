// SPDX-License-Identifier: Apache-2.0

// Foundation has the same function, and brings ICU with it.
@_spi(_Unicode) internal import Swift

/// What is done to text before it is cut up.
enum Normalizer: Sendable {
  /// Nothing.
  case identity
  /// Unicode's canonical composition (Standard Annex 15, form C).
  case canonicalComposition

  /// `text`, normalized.
  func normalized(_ text: String) -> String {
    var text = text
    var result = ""
    text.withUTF8 { bytes in
      withNormalized(bytes) { result = String(decoding: $0, as: UTF8.self) }
    }
    return result
  }

  /// Calls `body` with the normalized bytes of `text`, which is valid UTF-8.
  func withNormalized(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    if self == .identity || text.allSatisfy({ $0 < 0x80 }) {
      body(text)
      return
    }
    var normalized = ""
    normalized.unicodeScalars.append(contentsOf: String(decoding: text, as: UTF8.self)._nfc)
    normalized.withUTF8(body)
  }
}
