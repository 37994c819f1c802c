// SPDX-License-Identifier: Apache-2.0

/// Reads little-endian numbers from bytes of which nothing is known.
///
/// ``require(_:)`` comes first: reading what is not there is a programmer's error.
struct ByteReader {
  private let source: [UInt8]
  private var position = 0

  init(_ source: [UInt8]) { self.source = source }

  /// The number of bytes not yet read.
  var remaining: Int { source.count - position }

  /// Refuses a source in which fewer than `count` bytes are left.
  func require(_ count: Int) throws(UpdateError) {
    guard count <= remaining else {
      throw .truncated(needed: position + count, available: source.count)
    }
  }

  /// The next `count` bytes.
  mutating func bytes(_ count: Int) -> ArraySlice<UInt8> { source[skip(count)] }

  /// The places of the next `count` bytes, which are passed over.
  mutating func skip(_ count: Int) -> Range<Int> {
    precondition(count <= remaining, "reading \(count) bytes of \(remaining)")
    let range = position..<(position + count)
    position += count
    return range
  }

  /// The next number.
  mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Integer {
    bytes(Integer.bitWidth / 8).reversed().reduce(0) { $0 << 8 | Integer(truncatingIfNeeded: $1) }
  }
}

extension [UInt8] {
  /// Appends the bytes of `number`, the lowest first.
  mutating func append(littleEndian number: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }
}
