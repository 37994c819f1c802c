// SPDX-License-Identifier: Apache-2.0

/// Reads little-endian numbers from as many bytes as they take.
///
/// Reading what is not there is a programmer's error: ``require(_:)`` comes first where the number
/// of bytes is a stranger's.
struct ByteReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The number of bytes not yet read.
  var remaining: Int { rest.count }

  /// Refuses a source in which fewer than `count` bytes are left.
  func require(_ count: Int) throws(UpdateError) {
    guard count <= rest.count else { throw .truncated(needed: count, available: rest.count) }
  }

  /// The next `count` bytes.
  mutating func bytes(_ count: Int) -> ArraySlice<UInt8> {
    precondition(count <= rest.count, "reading \(count) bytes of \(rest.count)")
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
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
