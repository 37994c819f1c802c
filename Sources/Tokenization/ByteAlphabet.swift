// SPDX-License-Identifier: Apache-2.0

/// GPT-2's spelling of bytes as printable characters, in which byte-level vocabularies are written.
///
/// Printable Latin-1 characters stand for themselves; the other 68 bytes, in order, are the
/// characters from U+0100 on. So a space is "Ġ" (U+0120) and a line feed "Ċ".
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      if isPrintable(byte) { return Unicode.Scalar(UInt8(byte)) }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? "\u{FFFD}"
    }
  }()

  /// The UTF-8 of each byte's character, in 16 bits: the first byte low, the second high or 0.
  static let spellings: [UInt16] = scalars.map { scalar in
    let units = Array(String(scalar).utf8)
    return UInt16(units[0]) | (units.count > 1 ? UInt16(units[1]) << 8 : 0)
  }

  /// The byte that `scalar` stands for; nil for a character outside the alphabet.
  static func byte(of scalar: Unicode.Scalar) -> UInt8? {
    scalar.value < bytes.count ? bytes[Int(scalar.value)] : nil
  }

  /// Appends the bytes that a token stands for: its own UTF-8 if any character is foreign.
  static func append(_ token: ArraySlice<UInt8>, to result: inout [UInt8]) {
    let start = result.count
    for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
      guard let byte = byte(of: scalar) else {
        result.removeSubrange(start...)
        result.append(contentsOf: token)
        return
      }
      result.append(byte)
    }
  }

  /// Replaces `result` by the spelling of `bytes`.
  static func spell(_ bytes: UnsafeBufferPointer<UInt8>, into result: inout [UInt8]) {
    result.removeAll(keepingCapacity: true)
    for byte in bytes {
      let spelling = spellings[Int(byte)]
      result.append(UInt8(truncatingIfNeeded: spelling))
      if spelling > 0xFF { result.append(UInt8(spelling >> 8)) }
    }
  }

  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()

  private static func isPrintable(_ byte: Int) -> Bool {
    0x21...0x7E ~= byte || 0xA1...0xAC ~= byte || 0xAE...0xFF ~= byte
  }
}
