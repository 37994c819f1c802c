// SPDX-License-Identifier: Apache-2.0
import Federation
import NIOCore
import NIOEmbedded
import Testing

@testable import Network

/// The handler against an engine, with a socket and a clock that the test moves.
@Suite struct TLSHandlerTests {
  private let authority: TestAuthority
  private let channel = EmbeddedChannel()
  private let engine: TLSEngine
  private let meter = TrafficMeter()
  private let handshake: EventLoopFuture<PeerIdentity>
  private let errors = ErrorRecorder()

  init() throws {
    authority = try TestAuthority()
    engine = try TLSEngine(context: TLSContext(authority.coordinator), host: "")
    let promise = channel.eventLoop.makePromise(of: PeerIdentity.self)
    handshake = promise.futureResult
    let client = try TLSEngine(context: TLSContext(try authority.worker("ann")), host: "localhost")
    var settings = NetworkSettings()
    settings.handshakeTimeout = .seconds(10)
    settings.lingerTimeout = .seconds(1)
    try channel.pipeline.syncOperations.addHandlers(
      TLSHandler(engine: client, settings: settings, meter: meter, handshake: promise), errors)
  }

  private func connect() throws {
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
  }

  /// Moves bytes between the handler's socket and the engine until both are silent.
  private func exchange() throws {
    var isSilent = false
    while !isSilent {
      isSilent = true
      while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
        bytes.withUnsafeReadableBytes { engine.receive($0) }
        isSilent = false
      }
      _ = engine.handshake()
      let answer = output(of: engine)
      if !answer.isEmpty {
        try channel.writeInbound(ByteBuffer(bytes: answer))
        isSilent = false
      }
    }
  }

  private func open() throws {
    try connect()
    try exchange()
    #expect(try handshake.wait().name == "coordinator")
  }

  @Test func plaintextGoesBothWays() throws {
    try open()
    try channel.writeOutbound(ByteBuffer(string: "there"))
    try exchange()
    #expect(plaintext(of: engine) == (Array("there".utf8), .incomplete))
    #expect(engine.write(Array("here".utf8)) == .complete)
    try exchange()
    #expect(try channel.readInbound(as: ByteBuffer.self) == ByteBuffer(string: "here"))
    #expect(meter.traffic.sent > 500)
    #expect(meter.traffic.received > 500)
  }

  @Test func whatIsWrittenBeforeTheHandshakeWaitsForIt() throws {
    let written = channel.writeAndFlush(ByteBuffer(string: "early"))
    try open()
    try written.wait()
    #expect(plaintext(of: engine) == (Array("early".utf8), .incomplete))
  }

  @Test func silenceIsCutWhenTheHandshakeIsDue() throws {
    try connect()
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(9999))
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
    #expect(!channel.isActive)
    #expect(errors.all == [.handshakeTimeout(.seconds(10))])
    #expect(throws: NetworkError.handshakeTimeout(.seconds(10))) { try handshake.wait() }
  }

  @Test func nothingIsCutLaterThanTheHandshake() throws {
    try open()
    channel.embeddedEventLoop.advanceTime(by: .hours(24))
    #expect(channel.isActive)
    #expect(errors.all.isEmpty)
  }

  @Test func nothingIsEncryptedThatTheSocketDoesNotTake() throws {
    try open()
    channel.isWritable = false
    let payload = noise(4 << 20)
    let written = channel.writeAndFlush(ByteBuffer(bytes: payload))
    let sentBefore = meter.traffic.sent
    channel.pipeline.fireChannelWritabilityChanged()
    #expect(meter.traffic.sent == sentBefore)
    #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
    channel.isWritable = true
    channel.pipeline.fireChannelWritabilityChanged()
    try written.wait()
    var parts = 0
    while let part = try channel.readOutbound(as: ByteBuffer.self) {
      #expect(part.readableBytes <= 64 << 10)
      part.withUnsafeReadableBytes { engine.receive($0) }
      parts += 1
    }
    // A record adds 22 bytes to at most 16 KiB, and four fill a part.
    #expect(parts == 65)
    #expect(plaintext(of: engine).0 == payload)
  }

  @Test func anEmptyWriteIsDoneAtOnce() throws {
    try open()
    try channel.writeAndFlush(ByteBuffer()).wait()
    #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
  }

  @Test func anEndWithoutCloseNotifyIsACut() throws {
    try open()
    channel.pipeline.fireChannelInactive()
    #expect(errors.all == [.truncated])
    #expect(throws: NetworkError.truncated) {
      try channel.writeAndFlush(ByteBuffer(string: "x")).wait()
    }
  }

  @Test func anEndInTheHandshakeIsCalledSo() throws {
    try connect()
    channel.pipeline.fireChannelInactive()
    #expect(errors.all == [.closedDuringHandshake])
    #expect(throws: NetworkError.closedDuringHandshake) { try handshake.wait() }
  }

  @Test func closeNotifyOfTheOtherSideIsAnsweredAndNoError() throws {
    try open()
    engine.closeOutput()
    try exchange()
    #expect(!channel.isActive)
    #expect(errors.all.isEmpty)
    #expect(plaintext(of: engine) == ([], .closed))
  }

  @Test func closingSaysCloseNotifyAfterTheLastWords() throws {
    try open()
    channel.writeAndFlush(ByteBuffer(string: "bye"), promise: nil)
    channel.close(promise: nil)
    while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
      bytes.withUnsafeReadableBytes { engine.receive($0) }
    }
    #expect(plaintext(of: engine) == (Array("bye".utf8), .closed))
    #expect(errors.all.isEmpty)
  }

  @Test func anAbortSaysNothing() throws {
    try open()
    channel.triggerUserOutboundEvent(TLSHandler.Command.abort, promise: nil)
    #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
    #expect(!channel.isActive)
  }

  @Test func damageIsToldAndWhatFollowsIsThrownAway() throws {
    try open()
    #expect(engine.write(noise(1000)) == .complete)
    var bytes = output(of: engine)
    bytes[500] ^= 1
    try channel.writeInbound(ByteBuffer(bytes: bytes))
    guard case .corruptStream? = errors.all.first else {
      Issue.record("\(errors.all)")
      return
    }
    while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
      bytes.withUnsafeReadableBytes { engine.receive($0) }
    }
    guard case (_, .failed(.refusedByPeer)) = plaintext(of: engine) else {
      Issue.record("no alert")
      return
    }
    #expect(errors.all.count == 1)
  }

  @Test func aChannelThatNeverConnectedFailsItsHandshake() throws {
    _ = try? channel.finish()
    #expect(throws: NetworkError.self) { try handshake.wait() }
  }
}

/// Keeps the errors that reach the end of a pipeline.
private final class ErrorRecorder: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private(set) var all: [NetworkError] = []

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let error = error as? NetworkError { all.append(error) }
  }
}
