// SPDX-License-Identifier: Apache-2.0

/// Reads little-endian values one after the other, each only if it lies within the bytes.
///
/// The pointer is borrowed: a cursor must not outlive the closure that gave it.
struct ByteCursor {
  /// The file that errors speak of.
  let path: String
  private let bytes: UnsafeRawBufferPointer
  /// The offset of the next byte.
  private(set) var position: Int

  /// A cursor at `position` of the file's bytes.
  init(_ bytes: UnsafeRawBufferPointer, path: String, position: Int = 0) {
    precondition(0...bytes.count ~= position, "position \(position) of \(bytes.count) bytes")
    self.bytes = bytes
    self.path = path
    self.position = position
  }

  /// The number of bytes that are left.
  var remaining: Int { bytes.count - position }

  /// Passes over `count` bytes and returns where they lie.
  mutating func skip(_ count: UInt64, _ what: @autoclosure () -> String) throws(CheckpointError)
    -> Range<Int>
  {
    guard count <= UInt64(remaining) else {
      throw .truncated(
        path: path, what: what(), needed: Int(clamping: count), available: remaining)
    }
    let start = position
    position += Int(count)
    return start..<position
  }

  /// The next integer.
  mutating func integer<Value: FixedWidthInteger>(
    _ type: Value.Type = Value.self, _ what: @autoclosure () -> String
  ) throws(CheckpointError) -> Value {
    let range = try skip(UInt64(MemoryLayout<Value>.size), what())
    return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: type))
  }

  /// The place of the next string: u64 length, then its bytes.
  mutating func string(_ what: @autoclosure () -> String) throws(CheckpointError) -> Range<Int> {
    try skip(try integer(UInt64.self, what()), what())
  }

  /// The text of the next string, which must be UTF-8.
  mutating func text(_ what: @autoclosure () -> String) throws(CheckpointError) -> String {
    let range = try string(what())
    guard let text = String(validating: bytes[range], as: UTF8.self) else {
      throw .malformed(path: path, what: "\(what()) at byte \(range.lowerBound) is not UTF-8")
    }
    return text
  }
}
