// SPDX-License-Identifier: Apache-2.0
internal import Files

/// Turns the messages of one side into frames.
public struct MessageWriter<Message: Sendable>: Sendable {
  private let chunkByteCount: Int
  private let pack: @Sendable (Message) throws(MessageError) -> PackedMessage

  private init(
    chunkByteCount: Int, pack: @escaping @Sendable (Message) throws(MessageError) -> PackedMessage
  ) {
    precondition(
      (1...WireLimit.chunkByteCount).contains(chunkByteCount),
      "chunks of \(chunkByteCount) bytes, expected 1 to \(WireLimit.chunkByteCount)")
    self.chunkByteCount = chunkByteCount
    self.pack = pack
  }

  /// The frames of `message`, in the order in which they go out.
  ///
  /// Reasons that are too long for the wire are cut and end in "…"; line breaks and other control
  /// characters in them become spaces.
  /// - Throws: `MessageError.invalidField` for a value that the other side would refuse.
  public func frames(for message: Message) throws(MessageError) -> MessageFrames {
    MessageFrames(try pack(message), chunkByteCount: chunkByteCount)
  }
}

/// The bytes of a payload in a chunk unless something else is asked for: 256 KiB.
public let defaultChunkByteCount = 256 << 10

extension MessageWriter where Message == WorkerMessage {
  /// A worker's writer.
  public init(chunkByteCount: Int = defaultChunkByteCount) {
    self.init(chunkByteCount: chunkByteCount) { (message) throws(MessageError) in
      try message.packed()
    }
  }
}

extension MessageWriter where Message == CoordinatorMessage {
  /// The coordinator's writer.
  public init(chunkByteCount: Int = defaultChunkByteCount) {
    self.init(chunkByteCount: chunkByteCount) { (message) throws(MessageError) in
      try message.packed()
    }
  }
}

extension MessageWriter where Message == Enrolment {
  /// A newcomer's writer.
  public init() {
    self.init(chunkByteCount: defaultChunkByteCount) { (message) throws(MessageError) in
      try message.packed()
    }
  }
}

extension MessageWriter where Message == EnrolmentAnswer {
  /// The authority's writer to a newcomer.
  public init() {
    self.init(chunkByteCount: defaultChunkByteCount) { (message) throws(MessageError) in
      try message.packed()
    }
  }
}

/// A message ready to be framed.
struct PackedMessage {
  let type: FrameType
  let body: [UInt8]
  /// What follows in chunks, if anything.
  let payload: Payload?
  /// The first byte that follows.
  let offset: Int

  init(_ type: FrameType, _ body: [UInt8], payload: Payload? = nil, offset: Int = 0) {
    self.type = type
    self.body = body
    self.payload = payload
    self.offset = offset
  }
}
