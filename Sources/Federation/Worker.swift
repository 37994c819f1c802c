// SPDX-License-Identifier: Apache-2.0
public import Digests
internal import Files
public import Messages
internal import Randomness
public import Rounds
public import Tensors
public import Training
internal import Updates

/// What a worker knows and decides in one run: no socket, no clock, no task.
///
/// It keeps a replica of the adapter, trains when it is told to, and remembers what its messages
/// left out until the coordinator has taken it.
public struct Worker {
  /// What the shell must do, in order.
  public enum Order: Equatable {
    /// Put the memory where it survives, before anything after it is done.
    case remember([UInt8])
    /// Send this to the coordinator.
    case send(WorkerMessage)
    /// Train; whatever else was being trained is of no use any more.
    case train(TrainingJob)
    /// Stop training.
    case rest(reason: String)
  }

  /// What there is to train.
  public struct TrainingJob: Hashable, Sendable {
    /// The round it is for.
    public let round: Int
    /// The version it starts from.
    public let version: Int
    /// The adapter at that version.
    public let start: ParameterVector

    /// A job of a round.
    public init(round: Int, version: Int, start: ParameterVector) {
      self.round = round
      self.version = version
      self.start = start
    }
  }

  /// Who this is.
  public let id: WorkerID
  private let plan: RunPlan
  private let layout: ParameterLayout
  private(set) var memory: WorkerMemory
  private var replica: (version: Int, adapter: ParameterVector, state: Digest)?
  private var job: TrainingJob?
  /// Where the directions of a pool lead from, where versions are told by it.
  private let pool: DirectionPool?
  /// Whether there is a place that survives this worker.
  private let isRemembered: Bool

  /// A worker of the run of `plan`, with what it remembered the last time, if anything.
  ///
  /// - Parameters:
  ///   - initialAdapter: version 0, of the layout; asked for where versions depend on it.
  ///   - isRemembered: whether to order that the memory be put where it survives.
  /// - Throws: `FederationError.damagedState` when the memory is damaged.
  public init(
    id: WorkerID, plan: RunPlan, layout: ParameterLayout,
    initialAdapter: @autoclosure () -> ParameterVector, remembered: [UInt8]?,
    from place: String, isRemembered: Bool = true
  ) throws {
    self.isRemembered = isRemembered
    self.id = id
    self.plan = plan
    self.layout = layout
    pool = plan.tellsVersionsByPool ? DirectionPool(of: plan, from: initialAdapter()) : nil
    let digest = try plan.digest()
    let known = try remembered.flatMap {
      try WorkerMemory(decoding: $0, from: place, plan: digest, layout: layout)
    }
    memory = known ?? WorkerMemory(plan: digest, layout: layout)
  }

  /// The version of the adapter held here and its digest, for the hello.
  public var held: (version: Int, state: Digest)? {
    replica.map { ($0.version, $0.state) }
  }

  /// The norm of what messages have left out so far: steady when compression keeps up.
  public var residualNorm: Double { memory.residual.norm }

  /// Takes an assignment: brings the replica up to date, settles the last contribution, and
  /// either sends what it has already learned from this version or trains.
  ///
  /// - Throws: what does not fit this worker's replica or layout.
  public mutating func assigned(_ assignment: AssignmentMessage) throws -> [Order] {
    if let delivery = assignment.adapter { try receive(delivery) }
    guard let replica, replica.version == assignment.baseVersion else {
      throw FederationError.unexpected(
        "an assignment from version \(assignment.baseVersion), but version "
          + "\(self.replica.map { "\($0.version)" } ?? "none") is here")
    }
    var orders: [Order] = []
    // Versions only grow: this is a run begun anew under its old name.
    if let pending = memory.pending, pending.baseVersion > assignment.baseVersion {
      memory.reset()
    }
    if let pending = memory.pending {
      if pending.baseVersion == assignment.baseVersion {
        return [
          .send(
            .contribution(upload(of: pending, in: assignment.round, after: assignment.part)))
        ]
      }
      let counted = assignment.accepted.map {
        $0.version == pending.baseVersion && $0.payload == pending.payload.digest
      }
      if counted == true {
        memory.settle()
      } else {
        try memory.restore(with: plan.updates.upCodec(from: pending.baseVersion))
      }
      orders += try remembering()
    }
    if let job, job.version == assignment.baseVersion {
      // Training for a round that was tried in vain serves the next try just as well.
      self.job = TrainingJob(round: assignment.round, version: job.version, start: job.start)
      return orders
    }
    let job = TrainingJob(
      round: assignment.round, version: replica.version, start: replica.adapter)
    self.job = job
    return orders + [.train(job)]
  }

  /// Takes what training gave, compresses it and sends it; nothing when it came too late.
  public mutating func trained(
    _ result: TrainingResult, version: Int, in duration: Duration
  ) throws -> [Order] {
    guard let job, job.version == version else { return [] }
    // What cannot be compressed is still this job's: its failure is to be reported.
    let (payload, residual) = try encoded(result, version: version)
    self.job = nil
    let pending = WorkerMemory.Pending(
      baseVersion: version, exampleCount: result.exampleCount, loss: result.loss,
      tokenCount: result.tokenCount, nanoseconds: duration.wholeNanoseconds,
      payload: Payload(payload), residual: residual)
    memory.pending = pending
    return try remembering() + [
      .send(.contribution(upload(of: pending, in: job.round, after: nil)))
    ]
  }

  /// What was learned, as it travels, and the residual that it leaves: a walk leaves nothing out.
  private func encoded(
    _ result: TrainingResult, version: Int
  ) throws -> (payload: [UInt8], residual: ParameterVector) {
    if let walk = result.walk, plan.updates.steps != .asChanges {
      return (DirectionsUpdate(walks: [walk]).payload(for: layout), memory.residual)
    }
    var feedback = ErrorFeedback(residual: memory.residual)
    let update = try feedback.compress(
      result.delta, with: plan.updates.upCodec(from: version), seed: seed(ofVersion: version))
    return (update.payload, feedback.residual)
  }

  /// Training failed: the coordinator hears why.
  public mutating func failed(version: Int, reason: String) -> [Order] {
    guard let job, job.version == version else { return [] }
    self.job = nil
    return [.send(.failed(round: job.round, reason: reason))]
  }

  /// The round goes on without this worker.
  public mutating func released(round: Int, reason: String) -> [Order] {
    guard let job, job.round == round else { return [] }
    self.job = nil
    return [.rest(reason: reason)]
  }

  /// The order to put the memory where it survives, if there is such a place.
  private func remembering() throws -> [Order] {
    isRemembered ? [.remember(try memory.encoded())] : []
  }

  /// What is being trained, for heartbeats.
  public var currentJob: TrainingJob? { job }

  private mutating func receive(_ delivery: AdapterDelivery) throws {
    let (adapter, state) = try self.adapter(of: delivery)
    guard state == delivery.state else {
      replica = nil
      throw FederationError.unexpected(
        "version \(delivery.version) with digest \(state.short) instead of "
          + delivery.state.short)
    }
    replica = (delivery.version, adapter, state)
  }

  private func adapter(of delivery: AdapterDelivery) throws -> (ParameterVector, Digest) {
    guard let base = delivery.baseVersion else {
      if var pool, try DirectionsUpdate.begins(delivery.payload) {
        try pool.restore(try delivery.payload.bytes())
        let adapter = try pool.adapter
        return (adapter, adapter.digest)
      }
      // A snapshot's digest is that of the state.
      return (
        try UpdateCodec.dense.decode(delivery.payload, layout: layout), delivery.payload.digest
      )
    }
    guard let replica, replica.version == base else {
      throw FederationError.unexpected("a change of version \(base), which is not here")
    }
    var adapter = replica.adapter
    try follow(delivery, from: base, &adapter)
    return (adapter, adapter.digest)
  }

  /// One change is sent as it is, several in a sequence.
  private func follow(
    _ delivery: AdapterDelivery, from base: Int, _ adapter: inout ParameterVector
  ) throws {
    let payload = try delivery.payload.bytes()
    let updates =
      delivery.version - base > 1
      ? try UpdateSequence.updates(in: payload, count: delivery.version - base) : [payload]
    for update in updates {
      if plan.updates.steps == .upAndDown, let settings = plan.training.zerothOrder {
        try settings.walkRules(of: layout).follow(
          DirectionsUpdate(update, layout: layout), &adapter)
      } else {
        adapter.add(try plan.updates.down.decode(update, layout: layout))
      }
    }
  }

  /// The same for every upload from one version, so that doing it again gives the same bytes.
  private func seed(ofVersion version: Int) -> Seed {
    Seed(plan.seed).derived("update of \(id)", UInt64(version))
  }

  /// The contribution; what the coordinator has of it is not sent again.
  private func upload(
    of pending: WorkerMemory.Pending, in round: Int, after part: PayloadInbox.Part?
  ) -> Upload {
    let offset = part.map { $0.digest == pending.payload.digest ? $0.byteCount : 0 } ?? 0
    return Upload(
      contribution: Contribution(
        round: round, baseVersion: pending.baseVersion, worker: id,
        payload: pending.payload.digest, exampleCount: pending.exampleCount),
      loss: pending.loss, tokenCount: pending.tokenCount,
      duration: .nanoseconds(pending.nanoseconds), payload: pending.payload,
      offset: min(offset, pending.payload.byteCount))
  }
}
