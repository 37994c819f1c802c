// SPDX-License-Identifier: Apache-2.0
internal import NIOCore

/// Runs a `TLSEngine` between a socket and what reads and writes plaintext.
///
/// - Memory is bounded: it encrypts only while the channel is writable, in small parts, and a
///   write's promise completes when the socket has taken its last byte.
/// - A stream that ends without close_notify is an error, as is a handshake that takes too long.
/// - Closing says close_notify, shuts the output, and waits a while for the other side: a socket
///   closed with unread bytes is reset, and the last words and alerts would be lost with it.
///
/// Confined to its channel's event loop.
final class TLSHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// A user event to send down the pipeline; `abort` closes without a word, so that the other side
  /// sees a cut and not an end.
  enum Command: Sendable {
    case abort
    /// End in good order, with this error for whoever reads here.
    case dismiss(NetworkError)
  }

  private enum State {
    case idle
    case handshaking(timeout: Scheduled<Void>)
    case open
    /// The output is shut; input is thrown away until the other side closes too.
    case lingering(timeout: Scheduled<Void>)
    case closed
  }

  /// How much is encrypted at once: what makes 64 KiB of records, a size that buffers have.
  private static let partByteCount = (64 << 10) - TLSOutput.overhead(ofRecords: 4)
  /// How much is decrypted at once: four full records.
  private static let readingByteCount = 64 << 10

  private let engine: TLSEngine
  private let settings: NetworkSettings
  private let meter: TrafficMeter
  /// Completes with who the other side is.
  private let handshake: EventLoopPromise<PeerIdentity>
  private var state = State.idle
  private var pending = MarkedCircularBuffer<(ByteBuffer, EventLoopPromise<Void>?)>(
    initialCapacity: 4)
  /// What writes fail with once it is over.
  private var failure = NetworkError.closed
  private var isEncrypting = false
  private var hasUnflushedOutput = false

  init(
    engine: TLSEngine, settings: NetworkSettings, meter: TrafficMeter,
    handshake: EventLoopPromise<PeerIdentity>
  ) {
    self.engine = engine
    self.settings = settings
    self.meter = meter
    self.handshake = handshake
  }

  // MARK: Beginning

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { begin(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard case .idle = state else { return }
    let timeout = context.eventLoop.assumeIsolated().scheduleTask(
      in: TimeAmount(settings.handshakeTimeout)
    ) { [self] in
      cut(context, .handshakeTimeout(settings.handshakeTimeout))
    }
    state = .handshaking(timeout: timeout)
    continueHandshake(context)
    flushOutput(context)
  }

  private func continueHandshake(_ context: ChannelHandlerContext) {
    guard case .handshaking(let timeout) = state else { return }
    let step = engine.handshake()
    writeOutput(context, promise: nil)
    switch step {
    case .incomplete: break
    case .failed(let error): giveUp(context, error)
    case .complete:
      timeout.cancel()
      state = .open
      handshake.succeed(engine.peer)
      encryptPending(context)
    }
  }

  // MARK: Inbound

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    meter.receive(buffer.readableBytes)
    switch state {
    case .idle, .lingering, .closed: return
    case .handshaking, .open: break
    }
    buffer.withUnsafeReadableBytes { bytes in
      engine.receive(bytes) {
        continueHandshake(context)
        readPlaintext(context)
      }
    }
    writeOutput(context, promise: nil)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    flushOutput(context)
    context.fireChannelReadComplete()
    // Whoever reads plaintext may have stopped reading; what is thrown away goes on.
    if case .lingering = state { context.read() }
  }

  private func readPlaintext(_ context: ChannelHandlerContext) {
    while case .open = state {
      var plaintext = context.channel.allocator.buffer(capacity: Self.readingByteCount)
      let end = fill(&plaintext)
      if plaintext.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(plaintext)) }
      guard case .open = state else { return }
      switch end {
      case .bytes: continue
      case .incomplete: return
      case .closed: answerClose(context)
      case .failed(let error): giveUp(context, error)
      }
    }
  }

  /// Reads until `buffer` is full or there is no more; says which.
  private func fill(_ buffer: inout ByteBuffer) -> TLSEngine.Reading {
    var reading = TLSEngine.Reading.bytes(0)
    while buffer.writableBytes > 0 {
      buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 1) { bytes in
        reading = engine.read(into: bytes)
        guard case .bytes(let count) = reading else { return 0 }
        return count
      }
      guard case .bytes = reading else { break }
    }
    return reading
  }

  /// The other side has said all: say the same, and close.
  private func answerClose(_ context: ChannelHandlerContext) {
    state = .closed
    engine.closeOutput()
    writeOutput(context, promise: nil)
    flushOutput(context)
    failPending(.closed)
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    switch state {
    case .idle, .handshaking: end(context, .closedDuringHandshake)
    case .open: end(context, .truncated)
    case .lingering, .closed: end(context, .closed)
    }
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    // For a channel that never became active.
    handshake.fail(NetworkError.closed)
    failPending(.closed)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    cut(context, .connectionLost(String(describing: error)))
  }

  // MARK: Outbound

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch state {
    case .lingering, .closed: promise?.fail(failure)
    case .idle, .handshaking, .open: pending.append((unwrapOutboundIn(data), promise))
    }
  }

  func flush(context: ChannelHandlerContext) {
    pending.mark()
    encryptPending(context)
    flushOutput(context)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    encryptPending(context)
    context.fireChannelWritabilityChanged()
  }

  /// Encrypts what the socket can take soon.
  ///
  /// The engine has no limit of its own. Flushing may change the channel's writability, and
  /// come back here.
  private func encryptPending(_ context: ChannelHandlerContext) {
    guard !isEncrypting else { return }
    isEncrypting = true
    defer { isEncrypting = false }
    while case .open = state, context.channel.isWritable, pending.hasMark {
      encryptPart(context)
      flushOutput(context)
    }
  }

  private func encryptPart(_ context: ChannelHandlerContext) {
    let (buffer, promise) = pending[pending.startIndex]
    var rest = buffer
    let part = rest.readSlice(length: min(rest.readableBytes, Self.partByteCount))
    let step = part?.withUnsafeReadableBytes { engine.write($0) } ?? .complete
    if case .failed(let error) = step { return giveUp(context, error) }
    if rest.readableBytes > 0 {
      pending[pending.startIndex] = (rest, promise)
      writeOutput(context, promise: nil)
    } else {
      _ = pending.popFirst()
      writeOutput(context, promise: promise)
    }
  }

  private func writeOutput(_ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
    let output = engine.takeOutput()
    guard output.readableBytes > 0 else {
      promise?.succeed(())
      return
    }
    meter.send(output.readableBytes)
    hasUnflushedOutput = true
    context.write(wrapOutboundOut(output), promise: promise)
  }

  private func flushOutput(_ context: ChannelHandlerContext) {
    guard hasUnflushedOutput else { return }
    hasUnflushedOutput = false
    context.flush()
  }

  // MARK: Ending

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    switch state {
    case .open:
      failPending(.closed)
      engine.closeOutput()
      linger(context)
      context.channel.closeFuture.cascade(to: promise)
    case .lingering:
      context.channel.closeFuture.cascade(to: promise)
    case .idle, .handshaking, .closed:
      end(context, .closed)
      context.close(mode: .all, promise: promise)
    }
  }

  func triggerUserOutboundEvent(
    context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?
  ) {
    switch event as? Command {
    case nil: return context.triggerUserOutboundEvent(event, promise: promise)
    case .abort: cut(context, .closed)
    case .dismiss(let error):
      guard case .open = state else { break }
      engine.closeOutput()
      end(context, error)
      linger(context)
    }
    promise?.succeed(())
  }

  /// Ends with an error of the engine, whose alert goes out first.
  ///
  /// After an alert of the other side there is nothing to say.
  private func giveUp(_ context: ChannelHandlerContext, _ error: NetworkError) {
    switch error {
    case .certificateRefused, .refusedByPeer: cut(context, error)
    default:
      end(context, error)
      linger(context)
    }
  }

  /// Ends with an error, at once.
  private func cut(_ context: ChannelHandlerContext, _ error: NetworkError) {
    end(context, error)
    context.close(mode: .all, promise: nil)
  }

  /// Tells everyone on this side that it is over.
  private func end(_ context: ChannelHandlerContext, _ error: NetworkError) {
    switch state {
    case .closed: return
    case .lingering(let timeout):
      timeout.cancel()
      state = .closed
      return
    case .handshaking(let timeout): timeout.cancel()
    case .idle, .open: break
    }
    state = .closed
    failure = error
    handshake.fail(error)
    failPending(error)
    context.fireErrorCaught(error)
  }

  private func failPending(_ error: NetworkError) {
    while let (_, promise) = pending.popFirst() { promise?.fail(error) }
  }

  /// Sends what the engine still has to say, then waits for the other side to close.
  private func linger(_ context: ChannelHandlerContext) {
    let timeout = context.eventLoop.assumeIsolated().scheduleTask(
      in: TimeAmount(settings.lingerTimeout)
    ) {
      context.close(mode: .all, promise: nil)
    }
    state = .lingering(timeout: timeout)
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenSuccess {
      context.close(mode: .output, promise: nil)
    }
    writeOutput(context, promise: written)
    flushOutput(context)
    context.read()
  }
}
