// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Logging
internal import Messages
internal import NIOCore
internal import Synchronization

/// Puts together the messages that arrive on a connection, as fast as they are asked for.
actor MessageInlet<Message: Sendable> {
  typealias Bytes = NIOAsyncChannelInboundStream<ByteBuffer>

  /// What the reader takes; may be raised from anywhere, and holds from the next frame on.
  let terms: TermsBox
  private var reader: MessageReader<Message>
  private var bytes: Bytes.AsyncIterator
  private let logger: Logger
  private let failureLevel: Logger.Level
  private var isReading = false

  init(reader: MessageReader<Message>, bytes: Bytes, logger: Logger, failureLevel: Logger.Level) {
    self.terms = TermsBox(Terms(limits: reader.limits, inbox: reader.inbox))
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
      // Who dismissed the other side has logged it.
      if case NetworkError.dismissed = error { throw error }
      if !(error is CancellationError) {
        logger.log(
          level: failureLevel, "connection failed", metadata: ["reason": "\(error)"])
      }
      throw error
    }
  }

  private func nextMessage() async throws -> Message? {
    while true {
      let terms = terms.value
      reader.limits = terms.limits
      reader.inbox = terms.inbox
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

/// What one reader takes, and where it puts it.
struct Terms: Sendable {
  var limits: FrameLimits
  var inbox: PayloadInbox
}

/// The terms of one reader, set by one task and read by another.
final class TermsBox: Sendable {
  private let terms: Mutex<Terms>

  init(_ terms: Terms) { self.terms = Mutex(terms) }

  var value: Terms {
    get { terms.withLock { $0 } }
    set { terms.withLock { $0 = newValue } }
  }
}
