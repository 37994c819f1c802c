// SPDX-License-Identifier: Apache-2.0

/// Questions about the characters of text that is held as UTF-8.
extension UnsafeBufferPointer where Element == UInt8 {
  /// Where the white space that ends at `end` begins.
  func startOfSpace(before end: Int) -> Int {
    var start = end
    while let scalar = scalar(before: start), scalar.properties.isWhitespace {
      start -= UTF8.width(scalar)
    }
    return start
  }

  /// Where the white space that begins at `start` ends.
  func endOfSpace(after start: Int) -> Int {
    var end = start
    while let scalar = scalar(after: end), scalar.properties.isWhitespace {
      end += UTF8.width(scalar)
    }
    return end
  }

  /// Whether a character of a word stands right before or right after `range`.
  func touchesWord(_ range: Range<Int>) -> Bool {
    scalar(before: range.lowerBound)?.isWordCharacter == true
      || scalar(after: range.upperBound)?.isWordCharacter == true
  }

  private func scalar(before end: Int) -> Unicode.Scalar? {
    var start = end - 1
    while start >= 0, self[start] & 0xC0 == 0x80 { start -= 1 }
    return start < 0 ? nil : scalar(after: start)
  }

  private func scalar(after start: Int) -> Unicode.Scalar? {
    guard start < count else { return nil }
    return String(decoding: self[start..<Swift.min(start + 4, count)], as: UTF8.self)
      .unicodeScalars.first
  }
}

extension Unicode.Scalar {
  /// Whether it is a character of a word (Unicode Technical Standard 18, annex C).
  fileprivate var isWordCharacter: Bool {
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return false
    }
  }
}
