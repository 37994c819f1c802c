// SPDX-License-Identifier: Apache-2.0
public import Messages
internal import Rounds
internal import Synchronization

/// A coordinator and its workers in one process: messages as values, nothing in between.
public final class InProcessTransport: ServerTransport {
  private typealias ServerSession = Session<WorkerMessage, CoordinatorMessage>

  private let arrivals: AsyncStream<ServerSession>
  private let arrive: AsyncStream<ServerSession>.Continuation

  /// A transport without connections.
  public init() {
    (arrivals, arrive) = AsyncStream.makeStream()
  }

  /// Serves until cancelled.
  public func serve(
    _ handle: @escaping @Sendable (Session<WorkerMessage, CoordinatorMessage>) async -> Void
  ) async throws {
    await withDiscardingTaskGroup { group in
      for await session in arrivals {
        group.addTask { await handle(session) }
      }
    }
  }

  /// The way in for the worker called `name`.
  public func client(_ name: String) -> some ClientTransport {
    Client(name: name, arrive: arrive)
  }

  private struct Client: ClientTransport {
    let name: String
    let arrive: AsyncStream<ServerSession>.Continuation

    func isPermanent(_ error: any Error) -> Bool { false }

    func withSession<Result: Sendable>(
      _ body: @Sendable (Session<CoordinatorMessage, WorkerMessage>) async throws -> Result
    ) async throws -> Result {
      let up = MessagePipe<WorkerMessage>()
      let down = MessagePipe<CoordinatorMessage>()
      // Either side closes both ways, as a socket does.
      defer {
        up.finish()
        down.finish()
      }
      arrive.yield(
        Session(
          peer: Peer(name: name, address: "this process"), incoming: up.messages,
          send: { try down.send($0) }, admit: { _, _ in },
          traffic: { Traffic(received: 0, sent: 0) }))
      return try await body(
        Session(
          peer: Peer(name: "coordinator", address: "this process"), incoming: down.messages,
          send: { try up.send($0) }, admit: { _, _ in },
          traffic: { Traffic(received: 0, sent: 0) }))
    }
  }
}

/// One direction of a connection inside a process.
private struct MessagePipe<Message: Sendable>: Sendable {
  private let continuation: AsyncStream<Message>.Continuation
  private let iterator: SharedIterator<Message>

  init() {
    let (stream, continuation) = AsyncStream<Message>.makeStream()
    self.continuation = continuation
    iterator = SharedIterator(stream)
  }

  var messages: SessionMessages<Message> {
    SessionMessages { [iterator] in await iterator.next() }
  }

  func send(_ message: Message) throws {
    if case .terminated = continuation.yield(message) {
      throw FederationError.silent("the other side")
    }
  }

  func finish() { continuation.finish() }
}

/// Lets a closure pull from a stream; a session has one reader, so calls never overlap.
private actor SharedIterator<Element: Sendable> {
  private let stream: AsyncStream<Element>

  init(_ stream: AsyncStream<Element>) { self.stream = stream }

  func next() async -> Element? {
    var iterator = stream.makeAsyncIterator()
    return await iterator.next(isolation: self)
  }
}
