// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files
internal import FoundationEssentials
internal import Randomness
public import Rounds
public import Runs
public import Tensors

/// What a coordinator asks of the store that it must not forget anything of.
///
/// What a method wrote survives a kill after it returned; all or nothing of it survives one before.
public protocol RunLog {
  /// Writes an event at the journal's end.
  func append(_ event: RoundEngine.Event, at time: RunTime) throws

  /// Writes a contribution: its payload and its event, both or neither.
  func record(
    _ contribution: Contribution, payload: Payload, event: RoundEngine.Event, at time: RunTime
  ) throws

  /// Where the payloads of a worker arrive, to be recorded from there.
  func inbox(of sender: String) -> PayloadInbox

  /// A draft of a payload that a commit is to name.
  func makeDraft() -> PayloadDraft

  /// Writes a new version: its event, the state to go on from, and the commit; all or nothing.
  func commit(_ commit: LoggedCommit, at time: RunTime) throws

  /// Notes how the run ended; again is the same as once.
  func finish(_ outcome: RoundEngine.Outcome) throws

  /// The payload of a digest, as it was written.
  func storedPayload(_ digest: Digest) throws -> Payload

  /// The engine as the last event left it, and the state of the last version.
  func recovered() throws -> (engine: RoundEngine, state: [UInt8])

  /// How long writing has taken since this was asked last.
  func takeWritingTime() -> Duration
}

extension RunLog {
  /// No time at all, for what is not on a disk.
  public func takeWritingTime() -> Duration { .zero }
}

/// A version, as a coordinator writes it down.
public struct LoggedCommit: Sendable {
  /// The version that is made.
  public var version: Int
  /// The round that made it.
  public var round: Int
  /// The digest of the adapter.
  public var adapter: Digest
  /// What it was made of, in the order of the workers.
  public var contributions: [Contribution]
  /// The payload by which the workers follow, if they are to.
  public var broadcast: Payload?
  /// What the coordinator goes on from.
  public var state: StoredState
  /// The engine as `event` left it.
  public var engine: RoundEngine
  /// `aggregated`.
  public var event: RoundEngine.Event
}

/// What a coordinator goes on from: some bytes, and the payloads that they name.
public struct StoredState: Sendable {
  /// The bytes.
  public var bytes: [UInt8]
  /// The payloads, which stay as long as the bytes do.
  public var vectors: [Payload]

  /// A state of its parts.
  public init(bytes: [UInt8], vectors: [Payload]) {
    self.bytes = bytes
    self.vectors = vectors
  }
}

extension RunStore: RunLog {
  /// Writes an event at the journal's end.
  public func append(_ event: RoundEngine.Event, at time: RunTime) throws {
    try append(event, at: time, metrics: [])
  }

  /// Writes a contribution: its payload and its event, both or neither.
  public func record(
    _ contribution: Contribution, payload: Payload, event: RoundEngine.Event, at time: RunTime
  ) throws {
    try record(contribution, payload: payload, event: event, at: time, metrics: [])
  }

  /// A draft of a payload that a commit is to name.
  public func makeDraft() -> PayloadDraft { draft() }

  /// Writes a new version: its event, the state to go on from, and the commit; all or nothing.
  public func commit(_ commit: LoggedCommit, at time: RunTime) throws {
    try self.commit(
      version: commit.version, round: commit.round, adapter: commit.adapter,
      contributions: commit.contributions, broadcast: commit.broadcast, state: commit.state.bytes,
      vectors: commit.state.vectors, engine: commit.engine, event: commit.event, at: time)
  }

  /// The payload of a digest, as it was written.
  public func storedPayload(_ digest: Digest) throws -> Payload { try payload(of: digest) }

  /// The engine as the last event left it, and the state of the last version.
  public func recovered() throws -> (engine: RoundEngine, state: [UInt8]) {
    let (engine, snapshot, _) = try recoveredEngine()
    return (engine, snapshot.state)
  }
}

/// A run before its first event: what its store is created with.
public struct RunBeginning: Sendable {
  /// The engine, with nobody there.
  public let engine: RoundEngine
  private let record: RunRecord
  private let adapter: ParameterVector
  private let plan: RunPlan

  /// A run of `plan` that begins `now` with `initialAdapter`, of the identity's layout.
  public init(
    plan: RunPlan, identity: Coordinator.Identity, initialAdapter: ParameterVector, now: RunTime
  ) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    record = RunRecord(
      id: plan.run, created: now, configuration: identity.planBytes, model: identity.model,
      layout: Array(try encoder.encode(identity.layout)), software: softwareVersion)
    engine = try RoundEngine(rules: plan.rounds, seed: Seed(plan.seed), at: now)
    adapter = initialAdapter
    self.plan = plan
  }

  /// The store of the run: a new one, or the one that is there.
  ///
  /// - Throws: when another run is there, the store is in use, or it is damaged.
  public func store(at location: RunStore.Location) throws -> RunStore {
    try RunStore.create(record, engine: engine, at: location) { store in
      let stored = try state(in: store)
      return (stored.bytes, stored.vectors)
    }
  }

  /// Version 0, its vectors written to drafts of `log`.
  public func state(in log: some RunLog) throws -> StoredState {
    var state = ServerState(adapter: adapter, plan: plan)
    return try state.stored(in: log)
  }
}
