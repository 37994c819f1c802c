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

  /// How many bytes the next frame has; nil when all are out.
  public var nextByteCount: Int? {
    if let head { return head.count }
    return nextChunk.map { FrameHeader.byteCount + ChunkHeader.byteCount + $0.count }
  }

  /// Puts the next frame, as it goes out, into `buffer`.
  ///
  /// - Precondition: there is one, and the buffer has room for exactly that.
  /// - Throws: when a payload's file cannot be read.
  public mutating func takeNext(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
    precondition(buffer.count == nextByteCount, "room for \(buffer.count) bytes of a frame")
    if let head {
      buffer.copyBytes(from: head)
      self.head = nil
    } else if let payload, let chunk = nextChunk {
      let header =
        FrameHeader.bytes(type: .chunk, bodyByteCount: ChunkHeader.byteCount + chunk.count)
        + bigEndianBytes(UInt64(chunk.lowerBound))
      buffer.copyBytes(from: header)
      try payload.copy(
        from: chunk.lowerBound,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[header.count...]))
      offset = chunk.upperBound
    }
  }

  /// What of the payload is next.
  private var nextChunk: Range<Int>? {
    guard let payload, offset < payload.byteCount else { return nil }
    return offset..<min(payload.byteCount, offset + chunkByteCount)
  }
}

/// What stands before the bytes of a chunk: their offset in the payload.
enum ChunkHeader {
  static let byteCount = 8
}
