// SPDX-License-Identifier: Apache-2.0
import Federation
import Files
import Messages
import Network
import Rounds
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct SessionTests {
  private let authority: TestAuthority
  private let ann: Credentials

  init() throws {
    authority = try TestAuthority()
    ann = try authority.worker("ann")
  }

  @Test func messagesGoBothWaysAndBothSidesKnowEachOther() async throws {
    let peers = Mutex<[Peer]>([])
    try await withServer(
      authority.coordinator,
      handle: { session in
        peers.withLock { $0.append(session.peer) }
        await echoBeats(session)
      }
    ) { server in
      #expect(server.port > 0)
      try await client(ann, port: server.port).withSession { session in
        #expect(session.peer == Peer(name: "coordinator", address: "127.0.0.1:\(server.port)"))
        for sequence in 1...20 as ClosedRange<UInt64> {
          try await expectEcho(of: sequence, session)
        }
      }
    }
    #expect(peers.withLock { $0.map(\.name) } == ["ann"])
    #expect(peers.withLock { $0.first?.address.hasPrefix("127.0.0.1:") } == true)
  }

  @Test func aHostNameWithSeveralAddressesIsTriedUntilOneAnswers() async throws {
    let log = LogRecorder()
    try await withServer(authority.coordinator, log: log, handle: echoBeats) { server in
      let client = try client(ann, port: server.port, host: "localhost")
      for _ in 0..<5 { try await client.withSession { try await expectEcho($0) } }
    }
    #expect(log.all.allSatisfy { $0.hasPrefix("connected") }, "\(log.all)")
    #expect(log.all.count == 5)
  }

  @Test func thirtyTwoMebibytesArriveWholeBothWays() async throws {
    let payload = noise(32 << 20)
    try await withServer(
      authority.coordinator,
      handle: { session in
        session.admit(64 << 20, PayloadInbox())
        do {
          for try await case .contribution(let upload) in session.incoming {
            try await session.send(assignment(upload.payload.bytes(), round: 7))
          }
        } catch { recordUnlessCancelled(error) }
      }
    ) { server in
      try await client(ann, port: server.port).withSession { session in
        session.admit(64 << 20, PayloadInbox())
        try await session.send(.contribution(upload(payload)))
        var incoming = session.incoming.makeAsyncIterator()
        let answer = try await incoming.next()
        #expect(answer == assignment(payload, round: 7))
        let traffic = session.traffic()
        #expect((payload.count..<payload.count * 101 / 100).contains(traffic.sent))
        #expect((payload.count..<payload.count * 101 / 100).contains(traffic.received))
      }
    }
  }

  @Test func theClientsEndEndsTheServersMessages() async throws {
    let (ends, entrance) = AsyncStream.makeStream(of: Int.self)
    try await withServer(
      authority.coordinator,
      handle: { session in
        var count = 0
        do { for try await _ in session.incoming { count += 1 } } catch {
          recordUnlessCancelled(error)
        }
        entrance.yield(count)
      }
    ) { server in
      try await client(ann, port: server.port).withSession { session in
        try await session.send(.farewell(reason: "done"))
      }
      var iterator = ends.makeAsyncIterator()
      #expect(await iterator.next() == 1)
    }
  }

  @Test func theServersLastWordsArriveBeforeTheEnd() async throws {
    try await withServer(
      authority.coordinator,
      handle: { session in
        // Closes with unread messages in its socket.
        try? await session.send(.released(round: 3, reason: "enough"))
      }
    ) { server in
      for _ in 0..<20 {
        try await client(ann, port: server.port).withSession { session in
          for beat in 1...5 as ClosedRange<UInt64> {
            try? await session.send(.heartbeat(WorkerHeartbeat(sequence: beat)))
          }
          var messages: [CoordinatorMessage] = []
          for try await message in session.incoming { messages.append(message) }
          #expect(messages == [.released(round: 3, reason: "enough")])
        }
      }
    }
  }

  @Test func aPayloadBeforeTheHelloIsAdmittedIsRefused() async throws {
    let log = LogRecorder()
    try await withServer(authority.coordinator, log: log, handle: echoBeats) { server in
      try await client(ann, port: server.port).withSession { session in
        try? await session.send(.contribution(upload(noise(1000))))
        var incoming = session.incoming.makeAsyncIterator()
        let end = try await incoming.next()
        #expect(end == nil)
      }
      let line = await log.line(with: "connection failed")
      #expect(line?.contains("worker=ann") == true)
      #expect(line?.contains("a payload of 1000 bytes is announced, 0 are allowed") == true)
    }
  }

  @Test func sendersFromManyTasksAreNotInterleaved() async throws {
    let rounds = Mutex<Set<Int>>([])
    try await withServer(
      authority.coordinator,
      handle: { session in
        session.admit(1 << 20, PayloadInbox())
        do {
          for try await message in session.incoming {
            if case .contribution(let upload) = message {
              _ = rounds.withLock { $0.insert(upload.contribution.round) }
            }
            if case .farewell = message { try await session.send(.heartbeat(sequence: 0)) }
          }
        } catch { recordUnlessCancelled(error) }
      }
    ) { server in
      try await client(ann, port: server.port).withSession { session in
        await withThrowingTaskGroup { group in
          for round in 1...12 {
            group.addTask {
              try await session.send(
                .contribution(upload(noise(1 << 20, seed: UInt64(round)), round: round)))
            }
            group.addTask {
              try await session.send(.heartbeat(WorkerHeartbeat(sequence: UInt64(round))))
            }
          }
        }
        try await session.send(.farewell(reason: ""))
        var incoming = session.incoming.makeAsyncIterator()
        let answer = try await incoming.next()
        #expect(answer == .heartbeat(sequence: 0))
      }
    }
    #expect(rounds.withLock { $0 } == Set(1...12))
  }

  @Test func fiftyWorkersAtOnce() async throws {
    let workers = try (0..<50).map { try authority.worker("worker-\($0)") }
    let names = Mutex<Set<String>>([])
    try await withServer(
      authority.coordinator,
      handle: { session in
        _ = names.withLock { $0.insert(session.peer.name) }
        await echoBeats(session)
      }
    ) { server in
      let port = server.port
      try await withThrowingTaskGroup { group in
        for worker in workers {
          group.addTask {
            try await client(worker, port: port).withSession { session in
              for beat in 1...3 as ClosedRange<UInt64> {
                try await expectEcho(of: beat, session)
              }
            }
          }
        }
        try await group.waitForAll()
      }
    }
    #expect(names.withLock { $0.count } == 50)
  }

  @Test func aCancelledServerClosesItsConnections() async throws {
    let port = Mutex(0)
    try await client(
      ann,
      port: withServer(authority.coordinator, handle: echoBeats) { server in
        port.withLock { $0 = server.port }
        return server.port
      }
    ).expectNoConnection()
    #expect(port.withLock { $0 } > 0)
  }

  @Test func cancellingTheServerEndsOpenSessions() async throws {
    let (opened, entrance) = AsyncStream.makeStream(of: Void.self)
    let server = try await TLSServer(
      host: "127.0.0.1", port: 0, credentials: authority.coordinator, logger: LogRecorder().logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        do { try await server.serve(echoBeats) } catch is CancellationError {}
      }
      let client = try client(ann, port: server.port)
      async let end: Int = client.withSession { session in
        try await expectEcho(of: 1, session)
        entrance.yield()
        var count = 0
        for try await _ in session.incoming { count += 1 }
        return count
      }
      var iterator = opened.makeAsyncIterator()
      await iterator.next()
      group.cancelAll()
      #expect(try await end == 0)
      try await group.waitForAll()
    }
  }

  @Test func cancellingAClientEndsItsSession() async throws {
    try await withServer(authority.coordinator, handle: echoBeats) { server in
      let client = try client(ann, port: server.port)
      let (opened, entrance) = AsyncStream.makeStream(of: Void.self)
      await withTaskGroup { group in
        group.addTask {
          await #expect(throws: CancellationError.self) {
            try await client.withSession { session in
              entrance.yield()
              for try await _ in session.incoming {}
              Issue.record("the messages ended without an error")
            }
          }
        }
        var iterator = opened.makeAsyncIterator()
        await iterator.next()
        group.cancelAll()
      }
    }
  }

  @Test func aTakenPortIsSaid() async throws {
    try await withServer(authority.coordinator, handle: echoBeats) { server in
      let port = server.port
      let error = await #expect(throws: NetworkError.self) {
        try await TLSServer(
          host: "127.0.0.1", port: port, credentials: authority.coordinator,
          logger: LogRecorder().logger)
      }
      guard case .cannotListen("127.0.0.1:\(port)", let reason)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(reason.contains("Address already in use"))
    }
  }
}

extension TLSClient {
  /// Nobody listens there any more.
  fileprivate func expectNoConnection() async throws {
    let error = await #expect(throws: NetworkError.self) { try await withSession { _ in } }
    guard case .cannotConnect(_, let reason)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason == "Connection refused")
  }
}
