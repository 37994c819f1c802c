// SPDX-License-Identifier: Apache-2.0
import Federation
import Files
import Messages
import NIOCore
import NIOPosix
import Rounds
import Testing

@testable import Network

/// Whoever comes to the port, and whatever happens on the way: it costs that connection, one line
/// of the log, and no one else anything.
@Suite(.timeLimit(.minutes(1))) struct FaultyPeerTests {
  private let authority: TestAuthority
  private let ann: Credentials
  private let steady: Credentials
  private let log = LogRecorder()

  init() throws {
    authority = try TestAuthority()
    ann = try authority.worker("ann")
    steady = try authority.worker("steady")
  }

  /// Runs `fault` while a good worker is connected, and expects that it notices nothing.
  private func besideAGoodWorker(
    settings: NetworkSettings = .init(), _ fault: @Sendable (_ port: Int) async throws -> Void
  ) async throws {
    try await withServer(authority.coordinator, settings: settings, log: log, handle: echoBeats) {
      server in
      let port = server.port
      try await client(steady, port: port).withSession { session in
        try await expectEcho(of: 1, session)
        try await fault(port)
        try await expectEcho(of: 2, session)
      }
    }
    #expect(!log.all.contains { $0.contains("worker=steady") && !$0.contains("connected") })
  }

  private func patience(_ duration: Duration) -> NetworkSettings {
    var settings = NetworkSettings()
    settings.handshakeTimeout = duration
    return settings
  }

  @Test func garbage() async throws {
    try await besideAGoodWorker { port in
      let heard = try await RawPeer(port: port).converse(saying: noise(100_000))
      #expect(heard.isEmpty)
      let line = await log.line(with: "connection refused", "the TLS handshake failed")
      #expect(line?.contains("peer=127.0.0.1:") == true)
    }
  }

  @Test func aDamagedHelloWithMoreBehindItHearsTheAlert() async throws {
    try await besideAGoodWorker { port in
      // The headers of a record and of a hello, then much more than is looked at: a server that
      // just closed its socket would reset the connection, and the alert be lost with it.
      let bytes: [UInt8] = [22, 3, 1, 2, 0, 1, 0, 1, 252] + noise(8 << 20)
      let (sentCount, heard, end) = blockingConversation(port: port, saying: bytes)
      #expect(sentCount == bytes.count)
      #expect(end == 0, "an end, not a reset")
      #expect(heard.count == 7, "one alert")
      #expect(heard.first == 21)
    }
  }

  @Test func plainHTTP() async throws {
    try await besideAGoodWorker { port in
      let request = Array("GET / HTTP/1.1\r\nHost: tern\r\n\r\n".utf8)
      try await RawPeer(port: port).converse(saying: request)
      #expect(await log.line(with: "connection refused", "http request") != nil)
    }
  }

  @Test func silence() async throws {
    try await besideAGoodWorker(settings: patience(.milliseconds(300))) { port in
      let heard = try await RawPeer(port: port).converse(saying: [])
      #expect(heard.isEmpty)
      #expect(await log.line(with: "no TLS handshake within 0.3 seconds") != nil)
    }
  }

  @Test func aHalfHandshake() async throws {
    let engine = try TLSEngine(context: TLSContext(ann), host: "localhost")
    _ = engine.handshake()
    let hello = output(of: engine)
    try await besideAGoodWorker(settings: patience(.seconds(3))) { port in
      try await RawPeer(port: port).converse(saying: hello.dropLast(1))
      #expect(await log.line(with: "no TLS handshake within 3.0 seconds") != nil)
      // All of the first flight, and then nothing.
      let answer = try await RawPeer(port: port).converse(saying: hello)
      #expect(answer.count > 500)
    }
  }

  @Test func hangingUpAtOnce() async throws {
    try await besideAGoodWorker { port in
      for _ in 0..<20 { try await RawPeer(port: port).hangUp() }
      #expect(await log.line(with: "connection refused", "during the handshake") != nil)
    }
  }

  @Test func anExpiredCertificateIsRefusedWithTheReasonOnBothSides() async throws {
    let validity = Validity(from: past, dayCount: 1)
    let context = try TLSContext(authority.worker("old", validity: validity), at: past)
    let clientLog = LogRecorder()
    try await besideAGoodWorker { port in
      let client = try TLSClient(
        host: "127.0.0.1", port: port, context: context, expectedName: nil,
        settings: .init(), logger: clientLog.logger)
      for _ in 0..<10 {
        await #expect(throws: NetworkError.certificateRefused(reason: "it has expired")) {
          try await client.withSession { session in
            // The hello may still go out; the first read says no.
            try? await session.send(.farewell(reason: "hello"))
            for try await _ in session.incoming {}
          }
        }
      }
      #expect(
        await log.line(with: "connection refused", "certificate 'old' refused", "has expired")
          != nil)
      #expect(
        await clientLog.line(with: "connection failed", "refused this certificate: it has expired")
          != nil)
    }
  }

  @Test func aStrangersWorkerIsRefusedByTheServer() async throws {
    let stranger = try TestAuthority()
    let context = try TLSContext(stranger.worker("eve"))
    try context.trust(authority.authority.folder)
    try await besideAGoodWorker { port in
      let client = try TLSClient(
        host: "127.0.0.1", port: port, context: context, expectedName: nil,
        settings: .init(), logger: LogRecorder().logger)
      await #expect(
        throws: NetworkError.certificateRefused(
          reason: "it was issued by an authority unknown there")
      ) {
        try await client.withSession { session in
          for try await _ in session.incoming {}
        }
      }
      #expect(await log.line(with: "certificate 'eve' refused") != nil)
    }
  }

  @Test func aStrangersCoordinatorIsRefusedByTheClient() async throws {
    let stranger = try TestAuthority()
    let eve = try stranger.worker("eve")
    try await besideAGoodWorker { port in
      await #expect(
        throws: NetworkError.untrustedPeer(
          name: "coordinator", reason: "unable to get local issuer certificate")
      ) {
        try await client(eve, port: port).withSession { _ in Issue.record("let in") }
      }
      #expect(
        await log.line(with: "connection refused", "refused this certificate", "unknown there")
          != nil)
    }
  }

  @Test func anotherHostNameIsRefusedByTheClient() async throws {
    try await besideAGoodWorker { port in
      await #expect(
        throws: NetworkError.untrustedPeer(name: "coordinator", reason: "hostname mismatch")
      ) {
        try await client(ann, port: port, expectedName: "example.org").withSession { _ in
          Issue.record("let in")
        }
      }
    }
    try await besideAGoodWorker { port in
      try await client(ann, port: port, expectedName: "localhost").withSession {
        try await expectEcho($0)
      }
    }
  }

  @Test func aListenerThatIsNoTernIsSaid() async throws {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        // Once it is active.
        channel.eventLoop.execute {
          channel.writeAndFlush(ByteBuffer(string: "220 mail.example.org ESMTP\r\n"), promise: nil)
        }
        return channel.eventLoop.makeSucceededVoidFuture()
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let error = await #expect(throws: NetworkError.self) {
      try await client(ann, port: listener.localAddress?.port ?? 0).withSession { _ in }
    }
    guard case .handshakeFailed? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    try await listener.close()
  }

  @Test func aListenerThatSaysNothingIsGivenUp() async throws {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = listener.localAddress?.port ?? 0
    await #expect(throws: NetworkError.handshakeTimeout(.milliseconds(200))) {
      try await client(ann, port: port, settings: patience(.milliseconds(200)))
        .withSession { _ in }
    }
    try await listener.close()
  }

  @Test func oneConnectionTooManyIsClosedAndSaid() async throws {
    var settings = NetworkSettings()
    settings.connectionLimit = 2
    try await besideAGoodWorker(settings: settings) { port in
      let second = try client(ann, port: port)
      try await second.withSession { session in
        try await expectEcho(session)
        #expect(try await RawPeer(port: port).converse(saying: []).isEmpty)
        #expect(await log.line(with: "connection refused", "2 connections are open") != nil)
        try await expectEcho(of: 2, session)
      }
      // Its place is free again soon after it has gone.
      for _ in 0..<3 {
        while (try? await second.withSession { try await expectEcho($0) }) == nil {
          try Task.checkCancellation()
        }
      }
    }
  }

  @Test func aMessageThatIsNoneCostsItsSenderTheConnection() async throws {
    try await besideAGoodWorker { port in
      try await sayUnframed(noise(1000), as: ann, port: port)
      let line = await log.line(with: "connection failed", "worker=ann")
      #expect(line?.contains("frame") == true)
    }
  }

  @Test(arguments: [5000, 5001, 20_000, 100_000])
  func aBitFlippedOnTheWayIsFoundByBothSides(position: Int) async throws {
    try await throughAProxy(
      upstream: { part, offset in
        if part.indices.contains(position - offset) { part[position - offset] ^= 4 }
        return true
      },
      body: { session, ends in
        await #expect(throws: NetworkError.self) {
          try? await session.send(.contribution(upload(noise(200_000))))
          for try await _ in session.incoming {}
        }
        guard case .corruptStream? = await ends.first else {
          Issue.record("the server took it")
          return
        }
      })
  }

  @Test(arguments: [4000, 5000, 50_000])
  func aCutIsNoEnd(position: Int) async throws {
    try await throughAProxy(
      upstream: { part, offset in offset + part.count < position },
      body: { session, ends in
        await #expect(throws: NetworkError.self) {
          try? await session.send(.contribution(upload(noise(200_000))))
          for try await _ in session.incoming {}
        }
        #expect(await ends.first == .truncated)
      })
  }

  /// A session through a proxy, with what the server's messages ended in.
  private func throughAProxy(
    upstream: @escaping Proxy.Change,
    body: @Sendable (ClientSession, Ends) async throws -> Void
  ) async throws {
    let ends = Ends()
    try await withServer(
      authority.coordinator, log: log,
      handle: { session in
        session.admit(1 << 20, PayloadInbox())
        do {
          for try await message in session.incoming { Issue.record("\(message)") }
          ends.finish(nil)
        } catch { ends.finish(error as? NetworkError) }
      }
    ) { server in
      let proxy = try await Proxy(target: server.port, upstream: upstream)
      let worker = try client(ann, port: proxy.port)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try? await proxy.run() }
        try await worker.withSession { try await body($0, ends) }
        group.cancelAll()
      }
    }
  }
}

/// Opens a TLS connection, says bytes that are no frames, and listens until the end.
private func sayUnframed(_ bytes: [UInt8], as worker: Credentials, port: Int) async throws {
  let context = try TLSContext(worker)
  let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .connect(host: "127.0.0.1", port: port) { channel in
      channel.eventLoop.makeCompletedFuture {
        try TLSChannel(channel, to: "", context: context, host: "127.0.0.1", settings: .init())
      }
    }
  try await connection.run { _, heard in
    connection.channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    for try await _ in heard {}
  }
}

/// What the messages of a session ended in.
final class Ends: Sendable {
  private let stream: AsyncStream<NetworkError?>
  private let entrance: AsyncStream<NetworkError?>.Continuation

  init() { (stream, entrance) = AsyncStream.makeStream() }

  func finish(_ error: NetworkError?) { entrance.yield(error) }

  var first: NetworkError? {
    get async {
      for await end in stream { return end }
      return nil
    }
  }
}
