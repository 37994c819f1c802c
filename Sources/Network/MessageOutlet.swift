// SPDX-License-Identifier: Apache-2.0
internal import Messages
internal import NIOCore
internal import Synchronization

/// Sends the messages of one side of a connection, one after the other.
///
/// One frame at a time is on its way from each sender: the next is made when the socket has taken
/// the last, so a slow reader at the other side holds the sender here.
final class MessageOutlet<Message: Sendable>: Sendable {
  private let channel: any Channel
  private let writer: MessageWriter<Message>
  /// Whether a message may stand between the frames of another.
  private let isHeartbeat: @Sendable (Message) -> Bool
  private let turns = Turns()

  init(
    channel: any Channel, writer: MessageWriter<Message>,
    isHeartbeat: @escaping @Sendable (Message) -> Bool
  ) {
    self.channel = channel
    self.writer = writer
    self.isHeartbeat = isHeartbeat
  }

  /// Returns when the socket has taken the last byte of `message`.
  ///
  /// Cancelled between the frames of a message it cuts the connection: what the other side has
  /// is a part of a message.
  func send(_ message: Message) async throws {
    let frames = try writer.frames(for: message)
    try Task.checkCancellation()
    if isHeartbeat(message) { return try await write(frames) }
    try await turns.take { try await write(frames) }
  }

  private func write(_ frames: MessageFrames) async throws {
    var hasBegun = false
    var frames = frames
    while let byteCount = frames.nextByteCount {
      var frame = channel.allocator.buffer(capacity: byteCount)
      try frame.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCount) { bytes in
        try frames.takeNext(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<byteCount]))
        return byteCount
      }
      do {
        try Task.checkCancellation()
        try await write(frame)
      } catch is CancellationError where hasBegun {
        channel.triggerUserOutboundEvent(TLSHandler.Command.abort, promise: nil)
        throw CancellationError()
      }
      hasBegun = true
    }
  }

  /// Returns when the socket has taken `frame`, or at once when the task is cancelled; the frame
  /// goes out whole all the same.
  private func write(_ frame: ByteBuffer) async throws {
    let written = channel.eventLoop.makePromise(of: Void.self)
    channel.writeAndFlush(frame, promise: written)
    let waiter = OnceContinuation()
    do {
      try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
          waiter.install(continuation)
          written.futureResult.whenComplete { waiter.resume($0) }
        }
      } onCancel: {
        waiter.resume(.failure(CancellationError()))
      }
    } catch let error as ChannelError {
      throw NetworkError.connectionLost(String(describing: error))
    } catch let error as IOError {
      throw NetworkError.connectionLost(error.description)
    }
  }
}

/// A continuation that several may try to resume; the first one does.
private final class OnceContinuation: Sendable {
  private enum State {
    case empty
    case waiting(CheckedContinuation<Void, any Error>)
    case resumed(Result<Void, any Error>)
  }

  private let state = Mutex(State.empty)

  func install(_ continuation: CheckedContinuation<Void, any Error>) {
    let early = state.withLock { state -> Result<Void, any Error>? in
      guard case .resumed(let result) = state else {
        state = .waiting(continuation)
        return nil
      }
      return result
    }
    if let early { continuation.resume(with: early) }
  }

  func resume(_ result: Result<Void, any Error>) {
    let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
      defer { if case .resumed = state {} else { state = .resumed(result) } }
      guard case .waiting(let continuation) = state else { return nil }
      return continuation
    }
    continuation?.resume(with: result)
  }
}
