// SPDX-License-Identifier: Apache-2.0

/// Updates in one payload, to be added one after the other.
///
///     file = "TRNS", u8 version, u8 0, u16 updates, then for each: u32 bytes, the update file
///
/// All numbers are little-endian.
public enum UpdateSequence {
  /// No file is longer, so that it can be put together and taken apart in memory.
  public static let byteLimit = 32 << 20

  private static let magic = Array("TRNS".utf8)
  private static let version: UInt8 = 1
  private static let headerByteCount = 8
  private static let lengthByteCount = 4

  /// The bytes of a file of updates of so many bytes each.
  public static func byteCount(of updates: some Sequence<Int>) -> Int {
    updates.reduce(headerByteCount) { $0 + lengthByteCount + $1 }
  }

  /// The file of `updates`.
  ///
  /// - Precondition: there are 1 to 65,535, and the file is not longer than `byteLimit`.
  public static func payload(of updates: [[UInt8]]) -> [UInt8] {
    let byteCount = byteCount(of: updates.lazy.map(\.count))
    precondition(1...Int(UInt16.max) ~= updates.count, "a sequence of \(updates.count) updates")
    precondition(byteCount <= byteLimit, "a sequence of \(byteCount) bytes")
    var payload: [UInt8] = []
    payload.reserveCapacity(byteCount)
    payload += magic + [version, 0]
    payload.append(littleEndian: UInt16(updates.count))
    for update in updates {
      payload.append(littleEndian: UInt32(update.count))
      payload += update
    }
    return payload
  }

  /// The `count` updates in `payload`, which may be anything at all; none of them is read yet.
  ///
  /// - Throws: unless `payload` is a well-formed sequence of so many.
  public static func updates(
    in payload: [UInt8], count: Int
  ) throws(UpdateError) -> [[UInt8]] {
    guard payload.count <= byteLimit else {
      throw .sequenceLength(limit: byteLimit, found: payload.count)
    }
    var reader = ByteReader(payload[...])
    try reader.require(headerByteCount)
    guard reader.bytes(magic.count) == magic[...] else { throw .magic }
    let found = (version: reader.integer(UInt8.self), fill: reader.integer(UInt8.self))
    guard found == (version, 0) else { throw .version(Int(found.version)) }
    let updateCount = Int(reader.integer(UInt16.self))
    guard updateCount == count else {
      throw .updateCount(expected: count, found: updateCount)
    }
    var updates: [[UInt8]] = []
    for _ in 0..<updateCount {
      try reader.require(lengthByteCount)
      let byteCount = Int(reader.integer(UInt32.self))
      try reader.require(byteCount)
      updates.append(Array(reader.bytes(byteCount)))
    }
    guard reader.remaining == 0 else { throw .trailingBytes(reader.remaining) }
    return updates
  }
}
