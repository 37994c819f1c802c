// SPDX-License-Identifier: Apache-2.0
public import Files
public import Rounds

/// Puts the messages of the other side together from bytes that arrive in pieces of any size.
///
/// Feed what arrived, then take messages until there is none. Between two such turns a reader
/// holds less than one frame, and its inbox at most one payload, both within its limits; every
/// length is compared with them before memory is taken for it. After an error every further call throws
/// the same error.
public struct MessageReader<Message: Sendable>: Sendable {
  /// How much is taken from the other side; a change applies to what `next` has not returned yet.
  public var limits: FrameLimits
  /// Where payloads go while they arrive.
  public var inbox = PayloadInbox()
  /// The frames of unknown but skippable types that were skipped.
  public private(set) var skippedFrameCount = 0

  private let side: FrameType.Side
  private let unpack:
    @Sendable (FrameType, ArraySlice<UInt8>) throws(MessageError) -> UnpackedMessage<Message>
  private var buffer: [UInt8] = []
  private var position = 0
  private var payload: PayloadAssembly<Message>?
  private var failure: MessageError?

  private init(
    of side: FrameType.Side, limits: FrameLimits,
    unpack:
      @escaping @Sendable (FrameType, ArraySlice<UInt8>) throws(MessageError) ->
      UnpackedMessage<Message>
  ) {
    self.side = side
    self.limits = limits
    self.unpack = unpack
  }

  /// Whether all that was fed came out of `next`: a stream may only end here.
  public var isBetweenMessages: Bool {
    payload == nil && failure == nil && position == buffer.count
  }

  /// Takes the bytes that arrived.
  public mutating func feed(_ bytes: [UInt8]) throws(MessageError) {
    try makeRoom()
    buffer += bytes
  }

  /// Takes the bytes that arrived.
  public mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(MessageError) {
    try makeRoom()
    buffer.append(contentsOf: bytes)
  }

  /// The next whole message; nil until more bytes are fed.
  public mutating func next() throws(MessageError) -> Message? {
    if let failure { throw failure }
    do throws(MessageError) {
      while let (type, body) = try nextFrame() {
        if let message = try message(type, body) { return message }
      }
      return nil
    } catch {
      failure = error
      buffer = []
      position = 0
      payload = nil
      throw error
    }
  }

  /// Drops what has been read.
  private mutating func makeRoom() throws(MessageError) {
    if let failure { throw failure }
    buffer.removeSubrange(..<position)
    position = 0
  }

  private mutating func nextFrame() throws(MessageError) -> (FrameType?, ArraySlice<UInt8>)? {
    let header = buffer[position...].prefix(FrameHeader.byteCount)
    guard header.count == FrameHeader.byteCount, let rawType = header.last else { return nil }
    let byteCount = Int(bigEndianValue(header.dropLast()))
    let type = try admitted(rawType)
    let limit = min(
      limits.maximumFrameByteCount, FrameType.maximumBodyByteCount(of: rawType))
    guard byteCount <= limit else {
      throw .frameTooLong(type: rawType, byteCount: byteCount, limit: limit)
    }
    guard buffer.count - header.endIndex >= byteCount else { return nil }
    position = header.endIndex + byteCount
    return (type, buffer[header.endIndex..<position])
  }

  /// The type of a frame that may stand here; nil for one to skip.
  private func admitted(_ rawType: UInt8) throws(MessageError) -> FrameType? {
    guard let type = FrameType(rawValue: rawType) else {
      guard rawType >= FrameType.firstSkippable else { throw .unexpectedFrame(type: rawType) }
      return nil
    }
    guard type.comes(from: side) else { throw .unexpectedFrame(type: rawType) }
    if payload == nil, type == .chunk { throw .unannouncedChunk }
    if payload != nil, !type.interruptsPayloads { throw .interruptedPayload(type: rawType) }
    return type
  }

  private mutating func message(
    _ type: FrameType?, _ body: ArraySlice<UInt8>
  ) throws(MessageError) -> Message? {
    switch type {
    case nil:
      skippedFrameCount += 1
      return nil
    case .chunk:
      try payload?.append(chunk: body)
      return try finishedPayload()
    case .some(let type):
      switch try unpack(type, body) {
      case .whole(let message): return message
      case .announcing(let announced, let complete):
        payload = try PayloadAssembly(
          announced, limit: limits.maximumPayloadByteCount, inbox: inbox, complete: complete)
        return try finishedPayload()
      }
    }
  }

  private mutating func finishedPayload() throws(MessageError) -> Message? {
    guard let message = try payload?.finished() else { return nil }
    payload = nil
    return message
  }
}

extension MessageReader where Message == WorkerMessage {
  /// A coordinator's reader of what `worker`, as its certificate names it, says.
  public init(from worker: WorkerID, limits: FrameLimits) {
    self.init(of: .worker, limits: limits) { (type, body) throws(MessageError) in
      try WorkerMessage.unpacked(type, body, from: worker)
    }
  }
}

extension MessageReader where Message == CoordinatorMessage {
  /// A worker's reader of what the coordinator says.
  public init(limits: FrameLimits) {
    self.init(of: .coordinator, limits: limits) { (type, body) throws(MessageError) in
      try CoordinatorMessage.unpacked(type, body)
    }
  }
}

extension MessageReader where Message == Enrolment {
  /// An authority's reader of what a newcomer says.
  public init() {
    self.init(of: .newcomer, limits: .stranger) { (type, body) throws(MessageError) in
      guard type == .enrolment else { throw .unexpectedFrame(type: type.rawValue) }
      return .whole(try Enrolment(body))
    }
  }
}

extension MessageReader where Message == EnrolmentAnswer {
  /// A newcomer's reader of what the authority says.
  public init() {
    self.init(of: .authority, limits: .stranger) { (type, body) throws(MessageError) in
      try EnrolmentAnswer.unpacked(type, body)
    }
  }
}
