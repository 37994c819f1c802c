// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files
public import Logging
public import Messages
internal import Randomness
public import Rounds
internal import Synchronization
internal import Tensors
public import Training
internal import Updates

/// Runs a worker: connects, comes back when the connection is lost, trains, and ends with the run.
///
/// Training goes on while the connection is away; what was learned is sent when it is back.
public actor WorkerService {
  /// What a worker brings to any run.
  public struct Resources: Sendable {
    /// Its name, as its certificate says it.
    public let id: WorkerID
    /// The digest of its base model.
    public let model: Digest
    /// The digest of the file that it learns from, which it says to the coordinator; nil not to.
    public let data: Digest?
    /// Bytes of memory and number of cores, for the coordinator's information.
    public let memoryByteCount: UInt64
    /// The number of cores.
    public let coreCount: Int
    /// What is read and written to remember; nil to forget at the end of the process.
    public let memory: DurableFile?
    /// Makes what a plan asks of its workers.
    public let prepare: @Sendable (RunPlan) throws -> Ability

    /// All that a worker brings.
    public init(
      id: WorkerID, model: Digest, data: Digest? = nil, memoryByteCount: UInt64, coreCount: Int,
      memory: DurableFile?, prepare: @escaping @Sendable (RunPlan) throws -> Ability
    ) {
      self.id = id
      self.model = model
      self.data = data
      self.memoryByteCount = memoryByteCount
      self.coreCount = coreCount
      self.memory = memory
      self.prepare = prepare
    }
  }

  /// What a worker can do in a run.
  public enum Ability: Sendable {
    /// Learn by itself, and send what it learned.
    case learning(any Learner)
    /// Evaluate the losses of steps that all take together.
    case evaluating(StepEvaluator)
  }

  struct Enrolment {
    let planDigest: Digest
    let ability: Ability
  }

  /// The worker's part in the run that it takes part in.
  enum Part {
    case rounds(Worker)
    case steps(StepWorker)
  }

  /// What there is to compute.
  enum Job: Sendable {
    case training(Worker.TrainingJob)
    case evaluating(StepWorker.Job)
  }

  let resources: Resources
  private let transport: any ClientTransport
  let pool: ComputePool
  let log: Logger
  private var backoff: Backoff
  private let patience: Duration
  // Since when no coordinator has welcomed this worker; nil while one has.
  private var awayFrom: ContinuousClock.Instant?
  var part: Part?
  var enrolment: Enrolment?
  var outbox: AsyncStream<WorkerMessage>.Continuation?
  /// Where adapters arrive: what came before a connection was lost need not come again.
  private let inbox = PayloadInbox()
  let jobs: AsyncStream<Job>
  let submit: AsyncStream<Job>.Continuation
  // What training, on its own thread, looks at after each step: what to go on with, and where it is.
  let progress = Mutex(Progress())

  struct Progress: Sendable {
    var wanted: Int?
    var activity: WorkerHeartbeat.Activity?
    var diary = TrainingDiary()
  }

  /// A worker that trains on the threads of `pool`.
  ///
  /// - Parameter patience: how long it looks for a coordinator that cannot be reached.
  public init(
    resources: Resources, transport: any ClientTransport, pool: ComputePool, seed: UInt64,
    givingUpAfter patience: Duration, log: Logger
  ) {
    self.resources = resources
    self.transport = transport
    self.pool = pool
    self.patience = patience
    self.log = log
    backoff = Backoff(seed: Seed(seed).derived(resources.id.rawValue))
    (jobs, submit) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Works until the run is over.
  ///
  /// - Throws: what no reconnection can mend: a refusal, a damaged memory, another model.
  public func run() async throws -> Finished {
    try await withThrowingTaskGroup(of: Finished?.self) { group in
      group.addTask { try await self.stayConnected() }
      group.addTask {
        try await self.workOffJobs()
        return nil
      }
      defer {
        progress.withLock { $0.wanted = nil }
        group.cancelAll()
      }
      while let finished = try await group.next() {
        if let finished { return finished }
      }
      throw CancellationError()
    }
  }
}

// MARK: The connection

extension WorkerService {
  private func stayConnected() async throws -> Finished {
    while true {
      do {
        return try await transport.withSession { session in
          try await self.converse(session)
        }
      } catch let error as Unmendable {
        throw error.cause
      } catch  where transport.isPermanent(error) {
        throw error
      } catch {
        // Whatever a cancelled connection ends with, it is no news.
        try Task.checkCancellation()
        try await pause(after: "\(error)")
      }
    }
  }

  private func pause(after reason: String) async throws {
    let now = ContinuousClock.now
    let since = awayFrom ?? now
    awayFrom = since
    let left = patience - (now - since)
    guard left > .zero else { throw FederationError.alone(patience, reason) }
    let delay = min(backoff.next(), left)
    log.warning("not connected, trying again", metadata: ["reason": "\(reason)", "in": "\(delay)"])
    try await Task.sleep(for: delay)
  }

  private func converse(
    _ session: Session<CoordinatorMessage, WorkerMessage>
  ) async throws -> Finished {
    let held = resumedPart()
    try await session.send(
      .hello(
        Hello(
          software: softwareVersion, model: resources.model, layout: nil,
          heldVersion: held?.version, heldState: held?.state,
          memoryByteCount: resources.memoryByteCount, coreCount: resources.coreCount,
          exampleCount: 0, part: try inbox.part(), data: resources.data)))
    // A newer answer is to a newer task, which took the place of the older one's.
    let (messages, outbox) = AsyncStream<WorkerMessage>.makeStream(
      bufferingPolicy: .bufferingNewest(2))
    self.outbox = outbox
    defer { self.outbox = nil }
    let heard = Watch()
    return try await withThrowingTaskGroup(of: Finished?.self) { group in
      defer { group.cancelAll() }
      group.addTask {
        for await message in messages { try await session.send(message) }
        return nil
      }
      group.addTask {
        for try await message in session.incoming {
          let finished = try await heard.answer {
            try await self.receive(message, session, heard)
          }
          if let finished { return finished }
        }
        throw FederationError.silent("the coordinator closed the connection and")
      }
      group.addTask { [self] in
        try await beat(through: session, heard) { sequence in
          .heartbeat(
            WorkerHeartbeat(sequence: sequence, activity: progress.withLock { $0.activity }))
        }
        return nil
      }
      group.addTask {
        try await heard.waitForSilence(of: "the coordinator")
        return nil
      }
      while let finished = try await group.next() {
        if let finished { return finished }
      }
      throw CancellationError()
    }
  }

  private func receive(
    _ message: CoordinatorMessage, _ session: Session<CoordinatorMessage, WorkerMessage>,
    _ heard: Watch
  ) async throws -> Finished? {
    switch message {
    case .welcome(let welcome):
      heard.adopt(interval: welcome.heartbeatInterval, limit: welcome.silenceLimit)
      let layout = try await enrol(welcome)
      session.admit(maximumPayloadByteCount(for: layout), inbox)
      backoff.reset()
      awayFrom = nil
    case .refused(let refusal):
      let error = FederationError.refused(refusal)
      if refusal.retryable { throw error } else { throw Unmendable(cause: error) }
    case .assignment(let assignment):
      try carryOut { try $0.assigned(assignment) }
    case .step(let task):
      try carryOutStep { try $0.assigned(task) }
    case .receipt(let receipt):
      // What becomes of it, the next assignment says: it may be asked for again as it is.
      if let refusal = receipt.refusal {
        log.warning("contribution refused", metadata: ["reason": "\(refusal)"])
      }
    case .released(let round, let reason):
      try release(round, reason: reason)
    case .finished(let finished):
      return finished
    case .heartbeat, .renewed:
      // Certificates are the transport's affair.
      break
    }
    return nil
  }
}
