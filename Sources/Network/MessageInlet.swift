// SPDX-License-Identifier: Apache-2.0
internal import Logging
internal import Messages
internal import NIOCore
internal import Synchronization

/// Puts together the messages that arrive on a connection, as fast as they are asked for.
actor MessageInlet<Message: Sendable> {
  typealias Bytes = NIOAsyncChannelInboundStream<ByteBuffer>

  /// What the reader takes; may be raised from anywhere, and holds from the next frame on.
  let limits: LimitsBox
  private var reader: MessageReader<Message>
  private var bytes: Bytes.AsyncIterator
  private let logger: Logger
  private let failureLevel: Logger.Level
  private var isReading = false

  init(reader: MessageReader<Message>, bytes: Bytes, logger: Logger, failureLevel: Logger.Level) {
    self.limits = LimitsBox(reader.limits)
    self.reader = reader
    self.bytes = bytes.makeAsyncIterator()
    self.logger = logger
    self.failureLevel = failureLevel
  }

  /// The next message; nil when the other side closed the connection between two messages.
  func next() async throws -> Message? {
    precondition(!isReading, "a session has one reader")
    isReading = true
    defer { isReading = false }
    do {
      return try await nextMessage()
    } catch {
      let error = (error as? ChannelError).map { NetworkError.connectionLost("\($0)") } ?? error
      if !(error is CancellationError) {
        logger.log(
          level: failureLevel, "connection failed", metadata: ["reason": "\(error)"])
      }
      throw error
    }
  }

  private func nextMessage() async throws -> Message? {
    while true {
      reader.limits = limits.value
      if let message = try reader.next() { return message }
      var bytes = self.bytes
      defer { self.bytes = bytes }
      guard let buffer = try await bytes.next(isolation: self) else {
        try Task.checkCancellation()
        guard reader.isBetweenMessages else { throw NetworkError.truncated }
        return nil
      }
      try buffer.withUnsafeReadableBytes { bytes throws(MessageError) in try reader.feed(bytes) }
    }
  }
}

/// The limits of one reader, set by one task and read by another.
final class LimitsBox: Sendable {
  private let limits: Mutex<FrameLimits>

  init(_ limits: FrameLimits) { self.limits = Mutex(limits) }

  var value: FrameLimits {
    get { limits.withLock { $0 } }
    set { limits.withLock { $0 = newValue } }
  }
}
