// SPDX-License-Identifier: Apache-2.0
public import Files
public import Messages

/// One connection as the application sees it: messages in order, both ways.
public struct Session<Incoming: Sendable, Outgoing: Sendable>: Sendable {
  /// Who it is, by certificate, and from where.
  public let peer: Peer
  /// What arrives: finishes when the peer closed cleanly, throws when cut or malformed.
  ///
  /// Reading it slowly slows the peer down; there is no unbounded queue.
  public let incoming: SessionMessages<Incoming>
  /// Sends one message; returns when the transport has taken its bytes.
  ///
  /// Safe to call from several tasks: messages are not interleaved.
  public let send: @Sendable (_ message: Outgoing) async throws -> Void
  /// Raises this peer's limits, after the hello, and says where its payloads go.
  public let admit: @Sendable (_ maximumPayloadByteCount: Int, _ inbox: PayloadInbox) -> Void
  /// The bytes in and out so far, as on the socket.
  public let traffic: @Sendable () -> Traffic

  /// A session over the given functions of a transport.
  public init(
    peer: Peer, incoming: SessionMessages<Incoming>,
    send: @escaping @Sendable (_ message: Outgoing) async throws -> Void,
    admit: @escaping @Sendable (_ maximumPayloadByteCount: Int, _ inbox: PayloadInbox) -> Void,
    traffic: @escaping @Sendable () -> Traffic
  ) {
    self.peer = peer
    self.incoming = incoming
    self.send = send
    self.admit = admit
    self.traffic = traffic
  }
}

/// The messages of a session, pulled one by one by a single reader.
public struct SessionMessages<Message: Sendable>: AsyncSequence, Sendable {
  /// Pulls one message after the other.
  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate let pull: @Sendable () async throws -> Message?

    /// The next message; nil when the peer closed cleanly.
    public mutating func next() async throws -> Message? { try await pull() }
  }

  private let pull: @Sendable () async throws -> Message?

  /// A sequence whose every element is one call of `pull`; nil ends it.
  public init(pull: @escaping @Sendable () async throws -> Message?) { self.pull = pull }

  /// A reader of the messages; all readers of a session share its position.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pull: pull) }
}

/// Who is at the other end.
public struct Peer: Hashable, Sendable {
  /// The name in its certificate.
  public let name: String
  /// Where it connects from.
  public let address: String

  /// A peer by its name and address.
  public init(name: String, address: String) {
    self.name = name
    self.address = address
  }
}

/// Bytes that went over a socket.
public struct Traffic: Hashable, Sendable {
  /// Bytes that came in.
  public var received: Int
  /// Bytes that went out.
  public var sent: Int

  /// A count of bytes, both ways.
  public init(received: Int, sent: Int) {
    self.received = received
    self.sent = sent
  }
}

/// How workers reach a coordinator, seen from the coordinator.
public protocol ServerTransport: Sendable {
  /// Serves until cancelled; `handle` runs in a child task for each connection, the connection
  /// closes when it returns.
  func serve(
    _ handle: @escaping @Sendable (Session<WorkerMessage, CoordinatorMessage>) async -> Void
  ) async throws
}

/// How a worker reaches its coordinator.
public protocol ClientTransport: Sendable {
  /// Connects, runs `body`, and closes the connection when it returns.
  func withSession<Result: Sendable>(
    _ body: @Sendable (Session<CoordinatorMessage, WorkerMessage>) async throws -> Result
  ) async throws -> Result

  /// Whether connecting again cannot mend what `withSession` threw.
  func isPermanent(_ error: any Error) -> Bool
}
