// SPDX-License-Identifier: Apache-2.0
internal import Digests

/// A message as far as its frame tells.
enum UnpackedMessage<Message: Sendable>: Sendable {
  /// All of it.
  case whole(Message)
  /// All but a payload; `complete` makes the message of it.
  case announcing(AnnouncedPayload, complete: @Sendable ([UInt8]) -> Message)
}

/// What a message says about the payload that follows it.
struct AnnouncedPayload: Hashable, Sendable {
  let digest: Digest
  let byteCount: UInt64
}

/// A payload while its chunks arrive.
struct PayloadAssembly<Message: Sendable>: Sendable {
  private let digest: Digest
  private let byteCount: Int
  private let complete: @Sendable ([UInt8]) -> Message
  private var bytes: [UInt8] = []

  /// An empty payload, with room for the announced bytes if they are no more than `limit`.
  init(
    _ announced: AnnouncedPayload, limit: Int, complete: @escaping @Sendable ([UInt8]) -> Message
  ) throws(MessageError) {
    guard let byteCount = Int(exactly: announced.byteCount), byteCount <= limit else {
      throw .payloadTooLong(byteCount: announced.byteCount, limit: limit)
    }
    self.digest = announced.digest
    self.byteCount = byteCount
    self.complete = complete
    bytes.reserveCapacity(byteCount)
  }

  /// Adds the chunk in the body of a frame.
  mutating func append(chunk body: ArraySlice<UInt8>) throws(MessageError) {
    let content = body.dropFirst(ChunkHeader.byteCount)
    guard !content.isEmpty else { throw .emptyChunk }
    let offset = bigEndianValue(body.prefix(ChunkHeader.offsetByteCount))
    guard offset == UInt64(bytes.count) else {
      throw .misplacedChunk(offset: offset, expected: bytes.count)
    }
    guard content.count <= byteCount - bytes.count else {
      throw .chunkPastEnd(end: bytes.count + content.count, total: byteCount)
    }
    let checksum = body[..<content.startIndex].suffix(ChunkHeader.checksumByteCount)
    guard checksum == ChunkHeader.checksum(of: content) else {
      throw .damagedChunk(offset: bytes.count)
    }
    bytes += content
  }

  /// The message, when the last byte is there; nil before.
  func finished() throws(MessageError) -> Message? {
    guard bytes.count == byteCount else { return nil }
    let actual = Digest(of: bytes)
    guard actual == digest else { throw .damagedPayload(expected: digest, actual: actual) }
    return complete(bytes)
  }
}
