// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files
public import Messages
public import Rounds
public import Tensors
internal import Updates

/// What the coordinator knows and decides: no socket, no clock, no task.
///
/// Events go to the journal first, then to the engine, and only then are the engine's effects
/// carried out. The journal and the last snapshot are all that it needs to go on after a kill.
public struct Coordinator {
  /// What the shell delivers.
  public enum Input: Sendable {
    /// A connection said hello; `part` is what arrived of the worker's last upload.
    case opened(
      ConnectionID, WorkerID, address: String, Hello, part: PayloadInbox.Part?)
    /// A connection said something else.
    case received(ConnectionID, WorkerMessage)
    /// A connection ended.
    case closed(ConnectionID, reason: String)
    /// The time that was asked for has come.
    case woke
    /// A version was measured.
    case evaluated(version: Int, loss: Double, accuracy: Double?, tokenCount: Int)
    /// The operator ends the run.
    case stopped(reason: String)
  }

  /// What the shell must do, in order.
  public enum Output: Sendable {
    /// Send a message.
    case send(ConnectionID, CoordinatorMessage)
    /// End a connection after what was sent on it.
    case close(ConnectionID, reason: String)
    /// Deliver `woke` then.
    case wake(at: RunTime)
    /// Measure this version.
    case evaluate(version: Int, ParameterVector)
    /// Tell whoever watches.
    case report(RunEvent)
    /// The run is over.
    case finish(RunOutcome)
  }

  /// How a run ended.
  public struct RunOutcome: Hashable, Sendable {
    /// The last version.
    public let version: Int
    /// Its digest.
    public let state: Digest
    /// Why there are not more versions; nil when all were made.
    public let failure: String?
  }

  let plan: RunPlan
  /// What a worker must have in common with the coordinator.
  public let identity: Identity
  let log: any RunLog
  var engine: RoundEngine
  var server: ServerState
  var sessions = SessionTable()
  var ledger = RoundLedger()
  var clock: RunClock
  /// When the engine wants to be woken, by the run's time.
  var wantedWake: RunTime?
  let evaluateEvery: Int
  /// Who was told that the run is over.
  var aware: Set<WorkerID> = []

  /// What a worker must have in common with the coordinator.
  public struct Identity: Sendable {
    /// The digest of the base model.
    public let model: Digest
    /// The layout of the adapter.
    public let layout: ParameterLayout
    /// The plan as it is sent.
    public let planBytes: [UInt8]
    /// The digest of the plan.
    public let planDigest: Digest
    /// How often both sides send a heartbeat.
    public let heartbeatInterval: Duration

    /// The identity of a run of `plan` on a model.
    public init(
      model: Digest, layout: ParameterLayout, plan: RunPlan, heartbeatInterval: Duration
    ) throws {
      self.model = model
      self.layout = layout
      self.planBytes = try plan.canonicalBytes()
      self.planDigest = try plan.digest()
      self.heartbeatInterval = heartbeatInterval
    }

    /// After this long without a word, the other side is taken for dead.
    public var silenceLimit: Duration { heartbeatInterval * 3 }
  }

  /// The adapter as committed last.
  public var adapter: ParameterVector { server.adapter }

  /// How many commits the adapter has behind it.
  public var version: Int { server.version }

  /// Who took part and has not been told that the run is over, by name.
  public var unaware: [WorkerID] { server.accepted.keys.filter { !aware.contains($0) }.sorted() }

  /// Who is awaited, since when and until when, by the machine's clock.
  public var status: RoundStatus { engine.status.byClock(behind: clock.lead) }

  /// No upload of this run may be longer.
  public var maximumPayloadByteCount: Int {
    ContributionReader(plan: plan, layout: identity.layout).maximumPayloadByteCount
  }

  /// How long writing the journal has taken since this was asked last.
  public func takeWritingTime() -> Duration { log.takeWritingTime() }

  /// Where the uploads of `worker` arrive.
  public func inbox(of worker: WorkerID) -> PayloadInbox { log.inbox(of: worker.rawValue) }

  /// The workers' current training steps, as their heartbeats told.
  public var activities: [WorkerID: WorkerHeartbeat.Activity] { sessions.activities }
}
