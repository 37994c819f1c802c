// SPDX-License-Identifier: Apache-2.0
import Federation
import Foundation
import Glibc
import Messages
import Network
import Rounds
import Synchronization
import Testing

/// Many connections on one server.
///
/// `TERN_CROWD` makes it a real crowd. Both sides of each connection are in this process, so that
/// needs some 2,500 descriptors, and a process of its own: Foundation's `Process`, which other tests
/// use, calls `select`, and that writes beyond its sets for descriptors from 1,024 on. See
/// `make crowd`.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CrowdTests {
  private static let isReal = ProcessInfo.processInfo.environment["TERN_CROWD"] != nil
  private static let idleCount = isReal ? 1000 : 60
  private static let busyCount = isReal ? 200 : 12
  private static let hasDescriptors = !isReal || raisedDescriptorLimit() > 3000
  private static let needsDescriptors: Comment = "raise the hard limit of descriptors: ulimit -Hn"
  private let authority: TestAuthority
  private let ann: Credentials
  private let steady: Credentials
  private let log = LogRecorder()

  init() throws {
    authority = try TestAuthority()
    ann = try authority.worker("ann")
    steady = try authority.worker("steady")
  }

  @Test(.enabled(if: hasDescriptors, needsDescriptors))
  func strangersAreCutAtTheLimitOfTheHandshake() async throws {
    var settings = NetworkSettings()
    settings.handshakeTimeout = .seconds(2)
    try await withServer(authority.coordinator, settings: settings, log: log, handle: echoBeats) {
      server in
      // First of the tests: memory that others gave back would be used again, and not be seen.
      let before = residentByteCount()
      let strangers = (0..<Self.idleCount).compactMap { _ in connectedDescriptor(port: server.port)
      }
      defer { for stranger in strangers { close(stranger) } }
      #expect(strangers.count == Self.idleCount)
      let time = try await slowestEcho(port: server.port)
      #expect(time < .seconds(1))
      let perStranger = (residentByteCount() - before) / Self.idleCount
      print(
        "\(Self.idleCount) strangers: \(perStranger) bytes each; slowest of 20 echoes beside them: \(time)"
      )
      if Self.isReal { #expect(perStranger < 192 << 10) }
      while log.all.count(where: { $0.contains("no TLS handshake within 2.0 seconds") })
        < Self.idleCount
      {
        try await Task.sleep(for: .milliseconds(20))
      }
      for stranger in strangers {
        var byte: UInt8 = 0
        #expect(recv(stranger, &byte, 1, 0) == 0, "closed by the server")
      }
    }
  }

  @Test(.enabled(if: hasDescriptors, needsDescriptors))
  func fiveIdleConnectionsForEachBusyOne() async throws {
    try await withServer(authority.coordinator, log: log, handle: echoBeats) { server in
      let port = server.port
      let before = residentByteCount()
      let open = Count()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<Self.idleCount {
          group.addTask {
            try await self.client(port).withSession { session in
              try await expectEcho(session)
              open.add(1)
              try await open.wait(for: .max)
            }
          }
        }
        try await open.wait(for: Self.idleCount)
        let perConnection = (residentByteCount() - before) / Self.idleCount
        print(
          "\(Self.idleCount) idle connections: \(perConnection) bytes each, both sides together")
        // Beside other tests, their memory would be counted.
        if Self.isReal { #expect(perConnection < 256 << 10) }

        let echoes = Count()
        for _ in 0..<Self.busyCount {
          group.addTask {
            try await self.client(port).withSession { session in
              for beat in UInt64(1)... {
                try await expectEcho(of: beat, session)
                echoes.add(1)
              }
            }
          }
        }
        try await echoes.wait(for: 10 * Self.busyCount)
        let time = try await slowestEcho(port: port)
        print("one more worker's slowest of 20 echoes beside them: \(time)")
        #expect(time < .seconds(2))
        group.cancelAll()
        do { try await group.waitForAll() } catch is CancellationError {} catch is NetworkError {}
      }
    }
  }

  @Test func whoSaysOneByteAfterTheOtherIsCutAtTheLimitOfTheHandshake() async throws {
    var settings = NetworkSettings()
    settings.handshakeTimeout = .seconds(1)
    try await withServer(authority.coordinator, settings: settings, log: log, handle: echoBeats) {
      server in
      let stranger = try #require(connectedDescriptor(port: server.port))
      defer { close(stranger) }
      let begin = ContinuousClock.now
      let hello: [UInt8] = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]
      for byte in hello + noise(100) {
        guard send(stranger, [byte], 1, Int32(MSG_NOSIGNAL)) == 1 else { break }
        try await Task.sleep(for: .milliseconds(50))
      }
      #expect(.now - begin < .seconds(3))
      #expect(await log.line(with: "no TLS handshake within 1.0 seconds") != nil)
    }
  }

  private func client(_ port: Int) throws -> TLSClient {
    try NetworkTests.client(ann, port: port)
  }

  /// The longest of twenty round trips of a worker that behaves.
  private func slowestEcho(port: Int) async throws -> Duration {
    try await NetworkTests.client(steady, port: port).withSession { session in
      try await expectEcho(session)
      var slowest = Duration.zero
      for beat in UInt64(2)...21 {
        let begin = ContinuousClock.now
        try await expectEcho(of: beat, session)
        slowest = max(slowest, .now - begin)
      }
      return slowest
    }
  }
}

/// A number that tasks raise, and wait for.
private final class Count: Sendable {
  private let value = Atomic(0)

  func add(_ count: Int) { value.add(count, ordering: .relaxed) }

  func wait(for count: Int) async throws {
    while value.load(ordering: .relaxed) < count { try await Task.sleep(for: .milliseconds(20)) }
  }
}

/// Raises the limit of descriptors as far as the system lets; gives it.
private func raisedDescriptorLimit() -> Int {
  var limit = rlimit()
  let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  guard getrlimit(kind, &limit) == 0 else { return 0 }
  limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 65_536))
  setrlimit(kind, &limit)
  return Int(limit.rlim_cur)
}

/// The memory of this process.
private func residentByteCount() -> Int {
  let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  return text.firstMatch(of: /VmRSS:\s*([0-9]+) kB/).flatMap { Int($0.1) }.map { $0 * 1024 } ?? 0
}
