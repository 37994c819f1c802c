// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Files

/// A message as far as its frame tells.
enum UnpackedMessage<Message: Sendable>: Sendable {
  /// All of it.
  case whole(Message)
  /// All but a payload; `complete` makes the message of it.
  case announcing(AnnouncedPayload, complete: @Sendable (Payload) -> Message)
}

/// What a message says about the payload that follows it.
struct AnnouncedPayload: Hashable, Sendable {
  let digest: Digest
  let byteCount: UInt64
  /// The first byte that follows.
  let offset: Int

  /// What stands in the message until the payload is here.
  var placeholder: Payload { Payload([], digest: digest) }
}

/// A payload while its chunks arrive.
struct PayloadAssembly<Message: Sendable>: Sendable {
  private let digest: Digest
  private let byteCount: Int
  private let inbox: PayloadInbox
  private let draft: PayloadDraft
  private let complete: @Sendable (Payload) -> Message

  /// A payload that goes into `inbox`, if the announced bytes are no more than `limit`.
  init(
    _ announced: AnnouncedPayload, limit: Int, inbox: PayloadInbox,
    complete: @escaping @Sendable (Payload) -> Message
  ) throws(MessageError) {
    guard let byteCount = Int(exactly: announced.byteCount), byteCount <= limit else {
      throw .payloadTooLong(byteCount: announced.byteCount, limit: limit)
    }
    self.digest = announced.digest
    self.byteCount = byteCount
    self.inbox = inbox
    self.complete = complete
    do throws(FileError) {
      draft = try inbox.draft(
        of: announced.digest, byteCount: byteCount, from: announced.offset)
    } catch {
      throw .storage(error)
    }
  }

  /// Adds the chunk in the body of a frame.
  func append(chunk body: ArraySlice<UInt8>) throws(MessageError) {
    let content = body.dropFirst(ChunkHeader.byteCount)
    guard !content.isEmpty else { throw .emptyChunk }
    let offset = bigEndianValue(body.prefix(ChunkHeader.byteCount))
    let expected = draft.byteCount
    guard offset == UInt64(expected) else {
      throw .misplacedChunk(offset: offset, expected: expected)
    }
    guard content.count <= byteCount - expected else {
      throw .chunkPastEnd(end: expected + content.count, total: byteCount)
    }
    do throws(FileError) { try draft.append(content) } catch { throw .storage(error) }
  }

  /// The message, when the last byte is there; nil before.
  func finished() throws(MessageError) -> Message? {
    guard draft.byteCount == byteCount else { return nil }
    let payload: Payload?
    do throws(FileError) {
      payload = try inbox.finish(draft, as: digest)
    } catch {
      throw .storage(error)
    }
    guard let payload else { throw .damagedPayload(digest) }
    return complete(payload)
  }
}
