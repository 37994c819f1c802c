// SPDX-License-Identifier: Apache-2.0
public import Files

/// The frames of one message, made one at a time: first the message, then the chunks.
///
/// A sender that waits for room between them holds one chunk beside the payload, and of a payload
/// in a file nothing else. Heartbeats may go out between them, other messages may not.
public struct MessageFrames: Sendable {
  private var head: [UInt8]?
  private let payload: Payload?
  private let chunkByteCount: Int
  private var offset: Int

  /// The frames of `message`.
  init(_ message: PackedMessage, chunkByteCount: Int) {
    self.head =
      FrameHeader.bytes(type: message.type, bodyByteCount: message.body.count) + message.body
    self.payload = message.payload
    self.chunkByteCount = chunkByteCount
    self.offset = message.offset
  }

  /// The next frame as it goes out; nil when all are out.
  ///
  /// - Throws: when a payload's file cannot be read.
  public mutating func next() throws(FileError) -> [UInt8]? {
    if let head {
      self.head = nil
      return head
    }
    guard let payload, offset < payload.byteCount else { return nil }
    let end = min(payload.byteCount, offset + chunkByteCount)
    defer { offset = end }
    return try chunkFrame(of: payload, offset..<end)
  }

  private func chunkFrame(of payload: Payload, _ range: Range<Int>) throws(FileError) -> [UInt8] {
    let bodyByteCount = ChunkHeader.byteCount + range.count
    let header =
      FrameHeader.bytes(type: .chunk, bodyByteCount: bodyByteCount)
      + bigEndianBytes(UInt64(range.lowerBound))
    return try payload.bytes(in: range, after: header)
  }
}

/// What stands before the bytes of a chunk: their offset in the payload.
enum ChunkHeader {
  static let byteCount = 8
}
