// SPDX-License-Identifier: Apache-2.0
import Digests
import Federation
import Files
import Messages
import Network
import Rounds
import Testing

typealias ServerSession = Session<WorkerMessage, CoordinatorMessage>
typealias ClientSession = Session<CoordinatorMessage, WorkerMessage>

/// A server on a free port of 127.0.0.1, for as long as `body` runs.
func withServer<Result: Sendable>(
  _ credentials: Credentials, registrar: Registrar? = nil, settings: NetworkSettings = .init(),
  log: LogRecorder = .init(),
  handle: @escaping @Sendable (ServerSession) async -> Void,
  _ body: (TLSServer) async throws -> Result
) async throws -> Result {
  let server = try await TLSServer(
    host: "127.0.0.1", port: 0, credentials: credentials, registrar: registrar, settings: settings,
    logger: log.logger)
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await server.serve(handle) }
    let result = try await body(server)
    group.cancelAll()
    do { try await group.waitForAll() } catch is CancellationError {}
    return result
  }
}

/// A client of a server on 127.0.0.1.
func client(
  _ credentials: Credentials, port: Int, host: String = "127.0.0.1", expectedName: String? = nil,
  settings: NetworkSettings = .init(), log: LogRecorder = .init()
) throws -> TLSClient {
  try TLSClient(
    host: host, port: port, credentials: credentials, expectedName: expectedName,
    settings: settings, logger: log.logger)
}

/// The end of a test cancels its server, whatever a handler is about to read.
func recordUnlessCancelled(_ error: any Error) {
  if !(error is CancellationError) { Issue.record(error) }
}

/// Beats back what it hears, until the worker closes.
@Sendable func echoBeats(_ session: ServerSession) async {
  do {
    for try await message in session.incoming {
      guard case .heartbeat(let beat) = message else { continue }
      try await session.send(.heartbeat(sequence: beat.sequence))
    }
  } catch {}
}

/// Sends one beat and waits for the same back.
func expectEcho(of beat: UInt64 = 1, _ session: ClientSession) async throws {
  try await session.send(.heartbeat(WorkerHeartbeat(sequence: beat)))
  var incoming = session.incoming.makeAsyncIterator()
  let answer = try await incoming.next()
  #expect(answer == .heartbeat(sequence: beat))
}

/// Bytes without a pattern.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed | 1
  var words = [UInt64](repeating: 0, count: (count + 7) / 8)
  for index in words.indices {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    words[index] = state ^ (state >> 29)
  }
  return words.withUnsafeBytes { Array($0.prefix(count)) }
}

/// A contribution of `worker` with a payload.
func upload(_ payload: [UInt8], round: Int = 1, worker: String = "ann") throws -> Upload {
  guard let worker = WorkerID(rawValue: worker) else { throw NetworkError.workerName(worker) }
  return Upload(
    contribution: Contribution(
      round: round, baseVersion: 0, worker: worker, payload: Digest(of: payload), exampleCount: 4),
    loss: 1.5, tokenCount: 64, duration: .seconds(2), payload: Payload(payload))
}

/// A task whose adapter is `payload`.
func assignment(_ payload: [UInt8], round: Int = 1) -> CoordinatorMessage {
  .assignment(
    AssignmentMessage(
      round: round, baseVersion: 0, remaining: .seconds(9), accepted: nil,
      adapter: AdapterDelivery(
        version: 0, baseVersion: nil, state: Digest(of: payload), payload: Payload(payload))))
}
