// SPDX-License-Identifier: Apache-2.0
internal import Files
public import Logging
public import Messages
public import Rounds
public import Tensors
public import Training
internal import Updates

/// Runs a coordinator: serves connections, keeps time, measures versions, and ends with the run.
///
/// It delivers inputs and carries outputs out; every decision is the coordinator's.
public actor CoordinatorService {
  private var coordinator: any RunCoordinator
  private let transport: any ServerTransport
  private let pool: ComputePool
  private let evaluate: (@Sendable (ParameterVector) throws -> Evaluation)?
  private let observe: @Sendable (RunEvent) -> Void
  private let log: Logger

  private var outboxes: [ConnectionID: AsyncStream<CoordinatorMessage>.Continuation] = [:]
  /// One for each worker, whichever of its connections it uses.
  private var inboxes: [WorkerID: PayloadInbox] = [:]
  private var connectionCount = 0
  private let alarm = Alarm()
  private var outcome: Coordinator.RunOutcome?
  private var hasFailed = false
  private let evaluations: AsyncStream<Measurement>
  private let measure: AsyncStream<Measurement>.Continuation
  private let endings: AsyncThrowingStream<Never, any Error>
  private let ending: AsyncThrowingStream<Never, any Error>.Continuation
  private let closings: AsyncStream<Void>
  private let close: AsyncStream<Void>.Continuation

  /// What is done with the last adapter.
  public typealias Conclusion =
    @Sendable (Coordinator.RunOutcome, ParameterVector) async throws -> Void

  /// The version that is being measured, if any.
  public private(set) var measuring: Int?

  private struct Measurement: Sendable {
    let version: Int
    let adapter: ParameterVector
  }

  /// A service for `coordinator`.
  ///
  /// - Parameters:
  ///   - evaluate: measures an adapter on the validation data, if there is any.
  ///   - observe: hears every event, in order; must not block.
  public init(
    coordinator: sending any RunCoordinator, transport: any ServerTransport, pool: ComputePool,
    evaluate: (@Sendable (ParameterVector) throws -> Evaluation)?, log: Logger,
    observe: @escaping @Sendable (RunEvent) -> Void
  ) {
    self.coordinator = coordinator
    self.transport = transport
    self.pool = pool
    self.evaluate = evaluate
    self.log = log
    self.observe = observe
    // Each holds an adapter. The last version is never the one that is dropped.
    (evaluations, measure) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(2))
    (endings, ending) = AsyncThrowingStream.makeStream()
    // A sign that something has closed; who hears it looks for himself.
    (closings, close) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Who is awaited, since when and until when.
  public var status: RoundStatus { coordinator.status }

  /// The adapter as committed last.
  public var adapter: ParameterVector { coordinator.adapter }

  /// What workers say they are doing.
  public var activities: [WorkerID: WorkerHeartbeat.Activity] { coordinator.activities }

  /// Serves until the run is over, everybody has been told, and the last version is measured.
  ///
  /// - Parameter conclude: called when the run is over, before anybody is waited for that was
  ///   away then.
  /// - Throws: when the store or the listener fails, and what `conclude` throws.
  public func run(
    concluding conclude: @escaping Conclusion = { _, _ in }
  ) async throws -> Coordinator.RunOutcome {
    carryOut(try coordinator.start(at: .now))
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await self.transport.serve { await self.attend($0) }
        return false
      }
      group.addTask { try await self.keepTime() }
      group.addTask { try await self.waitForEnd(conclude) }
      defer { group.cancelAll() }
      while let isOver = try await group.next(), !isOver {}
    }
    guard let outcome else { throw CancellationError() }
    return outcome
  }

  /// Ends the run at the operator's wish.
  public func stop(reason: String) { deliver(.stopped(reason: reason)) }
}

// MARK: Inputs and outputs

extension CoordinatorService {
  private func deliver(_ input: Coordinator.Input) {
    guard !hasFailed else { return }
    do {
      carryOut(try coordinator.handle(input, at: .now))
      noteSlowDisk(coordinator.takeWritingTime())
    } catch {
      // What is in memory may be ahead of the journal: nothing may be decided from it any more.
      hasFailed = true
      ending.finish(throwing: error)
    }
  }

  /// Whoever watches should know why everything takes so long: senders wait for the journal.
  private func noteSlowDisk(_ time: Duration) {
    guard time > slowWritingLimit else { return }
    log.warning(
      "the disk is slow, and everybody waits for it", metadata: ["one write took": "\(time)"])
  }

  private func carryOut(_ outputs: [Coordinator.Output]) {
    for output in outputs {
      switch output {
      case .send(let connection, let message): send(message, on: connection)
      case .close(let connection, _): outboxes[connection]?.finish()
      case .wake(let time): alarm.set(after: time - .now)
      case .evaluate(let version, let adapter):
        if evaluate != nil { queue(Measurement(version: version, adapter: adapter)) }
      case .report(let event): observe(event)
      case .finish(let outcome):
        self.outcome = outcome
        measure.finish()
        close.yield()
      }
    }
  }

  private func queue(_ measurement: Measurement) {
    guard case .dropped(let left) = measure.yield(measurement) else { return }
    log.warning(
      "a version is not measured: measuring takes longer than the rounds",
      metadata: ["version": "\(left.version)", "remedy": "a larger validation.every"])
  }

  private func send(_ message: CoordinatorMessage, on connection: ConnectionID) {
    guard let outbox = outboxes[connection] else { return }
    if case .dropped = outbox.yield(message) {
      log.warning("a connection takes nothing; closing it", metadata: ["of": "\(connection)"])
      outbox.finish()
    }
  }

  /// Delivers `woke` when a time that was asked for has come.
  private func keepTime() async throws -> Bool {
    while true {
      try await alarm.wait()
      deliver(.woke)
    }
  }

  /// Measures versions as they come; returns when the run is over and its workers know it.
  private func waitForEnd(_ conclude: Conclusion) async throws -> Bool {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { for try await _ in self.endings {} }
      group.addTask { try await self.measureVersions() }
      defer { group.cancelAll() }
      try await group.next()
    }
    if let outcome { try await conclude(outcome, adapter) }
    await waitForFarewells()
    return true
  }

  /// Waits until all connections are closed and all workers of the run know that it is over, but
  /// not for ever: some may never come back.
  private func waitForFarewells() async {
    let missing = coordinator.unaware
    if !missing.isEmpty {
      log.notice(
        "the run is over; waiting for workers that do not know it yet",
        metadata: [
          "workers": "\(missing.map(\.rawValue).joined(separator: ", "))",
          "at most": "\(farewellLimit)",
        ])
    }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await Task.sleep(for: farewellLimit) }
      group.addTask { for await _ in self.closings where await self.isDone { break } }
      await group.next()
      group.cancelAll()
    }
  }

  private var isDone: Bool { outboxes.isEmpty && coordinator.unaware.isEmpty }

  private func measureVersions() async throws {
    for await measurement in evaluations {
      guard let evaluate else { continue }
      measuring = measurement.version
      defer { measuring = nil }
      let evaluation = try await pool.run { try evaluate(measurement.adapter) }
      deliver(
        .evaluated(
          version: measurement.version, loss: evaluation.loss, accuracy: evaluation.accuracy,
          tokenCount: evaluation.tokenCount))
    }
  }
}

// MARK: Connections

extension CoordinatorService {
  private func attend(_ session: Session<WorkerMessage, CoordinatorMessage>) async {
    guard let worker = WorkerID(rawValue: session.peer.name) else {
      observe(.refused(name: session.peer.name, reason: "its certificate names no worker"))
      return
    }
    connectionCount += 1
    let connection = ConnectionID(connectionCount)
    let (messages, outbox) = AsyncStream<CoordinatorMessage>.makeStream(
      bufferingPolicy: .bufferingOldest(outboxCapacity))
    outboxes[connection] = outbox
    var reason = "the worker closed the connection"
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        let heard = Watch()
        group.addTask { for await message in messages { try await session.send(message) } }
        group.addTask { try await self.listen(to: worker, session, connection, heard) }
        group.addTask { try await beat(through: session, heard) { .heartbeat(sequence: $0) } }
        group.addTask { try await heard.waitForSilence(of: "the worker") }
        defer { group.cancelAll() }
        try await group.next()
      }
    } catch {
      reason = "\(error)"
    }
    outboxes[connection] = nil
    deliver(.closed(connection, reason: reason))
    close.yield()
  }

  /// Not on the actor: it may be busy, and who is heard meanwhile is not silent.
  private nonisolated func listen(
    to worker: WorkerID, _ session: Session<WorkerMessage, CoordinatorMessage>,
    _ connection: ConnectionID, _ heard: Watch
  ) async throws {
    var isOpen = false
    for try await message in session.incoming {
      try await heard.answer {
        if isOpen {
          await deliver(.received(connection, message))
        } else if case .hello(let hello) = message {
          isOpen = true
          try await open(connection, of: worker, session, hello, heard)
        } else {
          throw FederationError.unexpected("something before the hello")
        }
      }
    }
  }

  private func open(
    _ connection: ConnectionID, of worker: WorkerID,
    _ session: Session<WorkerMessage, CoordinatorMessage>, _ hello: Hello, _ heard: Watch
  ) throws {
    heard.adopt(
      interval: coordinator.identity.heartbeatInterval, limit: coordinator.identity.silenceLimit)
    let inbox = inboxes[worker] ?? coordinator.inbox(of: worker)
    inboxes[worker] = inbox
    session.admit(coordinator.maximumPayloadByteCount, inbox)
    deliver(
      .opened(connection, worker, address: session.peer.address, hello, part: try inbox.part()))
  }
}

/// How long workers that were away may take to hear that the run is over: more than the longest
/// delay between two of their tries.
private let farewellLimit = Duration.seconds(20)

/// Writing down what one message brought about takes milliseconds where a disk is in order.
private let slowWritingLimit = Duration.milliseconds(250)

/// How many messages may wait for a connection: a worker is owed an assignment, a receipt, a
/// release and a few heartbeats at most.
private let outboxCapacity = 64
