// SPDX-License-Identifier: Apache-2.0
import Federation
import Files
import Messages
import Network
import Rounds
import Testing

/// Who does not read holds up who writes; nothing in between grows.
@Suite(.timeLimit(.minutes(1))) struct BackPressureTests {
  private let authority: TestAuthority
  private let ann: Credentials
  private let payload = noise(8 << 20)
  private let messageCount = 8

  init() throws {
    authority = try TestAuthority()
    ann = try authority.worker("ann")
  }

  /// Waits until the count of bytes, once it is past the handshake, stands still.
  ///
  /// A writer without bounds would run through to its end.
  private static func settled(_ count: @Sendable () -> Int) async throws -> Int {
    var last = -1
    var repetitions = 0
    while repetitions < 5 {
      try await Task.sleep(for: .milliseconds(40))
      let now = count()
      repetitions = now == last && now > 1 << 20 ? repetitions + 1 : 0
      last = now
    }
    return last
  }

  @Test func aCoordinatorThatDoesNotReadHoldsItsWorkers() async throws {
    let (gate, opener) = AsyncStream.makeStream(of: Void.self)
    let (ends, end) = AsyncStream.makeStream(of: Void.self)
    let received = Shared(0)
    let payload = payload
    let messageCount = messageCount
    try await withServer(
      authority.coordinator,
      handle: { session in
        session.admit(16 << 20, PayloadInbox())
        for await _ in gate { break }
        do {
          for try await case .contribution(let upload) in session.incoming {
            received.change { $0 += upload.payload.byteCount }
          }
        } catch { recordUnlessCancelled(error) }
        end.yield()
      }
    ) { server in
      try await client(ann, port: server.port).withSession { session in
        let isDone = Shared(false)
        try await withThrowingTaskGroup { group in
          group.addTask {
            for round in 1...messageCount {
              try await session.send(.contribution(upload(payload, round: round)))
            }
            isDone.change { $0 = true }
          }
          let sent = try await Self.settled { session.traffic().sent }
          // What the sockets of both sides hold, and little more.
          #expect(sent < 24 << 20)
          #expect(!isDone.value)
          opener.yield()
          try await group.waitForAll()
        }
      }
      for await _ in ends { break }
    }
    #expect(received.value == payload.count * messageCount)
  }

  @Test func aWorkerThatDoesNotReadHoldsItsCoordinatorButNotTheOthers() async throws {
    let payload = payload
    let sent = Shared<(@Sendable () -> Traffic)?>(nil)
    let ended = Shared(false)
    try await withServer(
      authority.coordinator,
      handle: { session in
        guard session.peer.name == "ann" else { return await echoBeats(session) }
        sent.change { $0 = session.traffic }
        do {
          for round in 1...8 { try await session.send(assignment(payload, round: round)) }
          ended.change { $0 = true }
        } catch {}
      }
    ) { server in
      let port = server.port
      try await client(ann, port: port).withSession { session in
        session.admit(16 << 20, PayloadInbox())
        let count = try await Self.settled { sent.value?().sent ?? 0 }
        #expect(count < 24 << 20)
        #expect(!ended.value)
        try await client(authority.worker("bob"), port: port).withSession {
          try await expectEcho($0)
        }
        var rounds: [Int] = []
        for try await case .assignment(let message) in session.incoming {
          rounds.append(message.round)
        }
        #expect(rounds == Array(1...8))
      }
    }
  }

  @Test func heartbeatsPassBetweenTheChunksOfAPayload() async throws {
    let (gate, opener) = AsyncStream.makeStream(of: Void.self)
    let (ends, end) = AsyncStream.makeStream(of: Void.self)
    let order = Shared<[String]>([])
    let payload = payload
    try await withServer(
      authority.coordinator,
      handle: { session in
        session.admit(64 << 20, PayloadInbox())
        for await _ in gate { break }
        do {
          for try await message in session.incoming {
            switch message {
            case .contribution: order.change { $0.append("payload") }
            case .heartbeat: order.change { $0.append("beat") }
            default: order.change { $0.append("other") }
            }
          }
        } catch { recordUnlessCancelled(error) }
        end.yield()
      }
    ) { server in
      try await client(ann, port: server.port).withSession { session in
        try await withThrowingTaskGroup { group in
          group.addTask {
            try await session.send(.contribution(upload(payload + payload + payload + payload)))
          }
          _ = try await Self.settled { session.traffic().sent }
          group.addTask { try await session.send(.heartbeat(WorkerHeartbeat(sequence: 1))) }
          group.addTask { try await session.send(.failed(round: 1, reason: "waits")) }
          try await Task.sleep(for: .milliseconds(50))
          opener.yield()
          try await group.waitForAll()
        }
      }
      for await _ in ends { break }
    }
    #expect(order.value == ["beat", "payload", "other"])
  }

  @Test func aSendThatIsCancelledInItsMiddleCutsTheConnection() async throws {
    let ends = Shared<[String]>([])
    let payload = payload
    let (gate, opener) = AsyncStream.makeStream(of: Void.self)
    try await withServer(
      authority.coordinator,
      handle: { session in
        session.admit(64 << 20, PayloadInbox())
        for await _ in gate { break }
        do {
          for try await _ in session.incoming { Issue.record("half a message") }
          Issue.record("an end without an error")
        } catch { ends.change { $0.append("\(error)") } }
      }
    ) { server in
      try await client(ann, port: server.port).withSession { session in
        await withTaskGroup { group in
          group.addTask {
            await #expect(throws: CancellationError.self) {
              try await session.send(
                .contribution(upload(payload + payload + payload + payload)))
            }
          }
          _ = try? await Self.settled { session.traffic().sent }
          group.cancelAll()
        }
        opener.yield()
      }
      while ends.value.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
    }
    #expect(ends.value.count == 1)
    #expect(ends.value.first?.contains("cut") == true || ends.value.first?.contains("lost") == true)
  }
}
