// SPDX-License-Identifier: Apache-2.0
internal import Digests

/// The frames of one message, made one at a time: first the message, then the chunks.
///
/// A sender that waits for room between them holds one chunk beside the payload, not a second
/// payload. Heartbeats may go out between them, other messages may not.
public struct MessageFrames: Sequence, IteratorProtocol, Sendable {
  private var head: [UInt8]?
  private let payload: [UInt8]
  private let chunkByteCount: Int
  private var offset = 0

  /// The frames of `message`.
  init(_ message: PackedMessage, chunkByteCount: Int) {
    self.head =
      FrameHeader.bytes(type: message.type, bodyByteCount: message.body.count) + message.body
    self.payload = message.payload
    self.chunkByteCount = chunkByteCount
  }

  /// The next frame as it goes out; nil when all are out.
  public mutating func next() -> [UInt8]? {
    if let head {
      self.head = nil
      return head
    }
    guard offset < payload.count else { return nil }
    let end = Swift.min(payload.count, offset + chunkByteCount)
    defer { offset = end }
    return chunkFrame(payload[offset..<end])
  }

  private func chunkFrame(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    let bodyByteCount = ChunkHeader.byteCount + bytes.count
    var frame = FrameHeader.bytes(type: .chunk, bodyByteCount: bodyByteCount)
    frame.reserveCapacity(frame.count + bodyByteCount)
    frame += bigEndianBytes(UInt64(bytes.startIndex))
    frame += ChunkHeader.checksum(of: bytes)
    frame += bytes
    return frame
  }
}

/// What stands before the bytes of a chunk: their offset in the payload, and their checksum.
enum ChunkHeader {
  static let offsetByteCount = 8
  static let checksumByteCount = 8
  static let byteCount = offsetByteCount + checksumByteCount

  /// The first bytes of the SHA-256 of `bytes`.
  static func checksum(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var hasher = DigestHasher()
    bytes.withUnsafeBytes { hasher.update($0) }
    return hasher.finalized().bytes.prefix(checksumByteCount)
  }
}
