// SPDX-License-Identifier: Apache-2.0
internal import Digests
public import Files
internal import FoundationEssentials
public import Messages
internal import Randomness
public import Rounds
public import Runs
public import Tensors
internal import Training
internal import Updates

/// A coordinator of steps: it asks for losses, makes coefficients of them once, journals these, and
/// sends them with the next step's task.
///
/// As `Coordinator` it has no socket, no clock and no task. Its journal is its commits: what they and
/// the plan say is all that it goes on from after a kill.
public struct StepCoordinator: RunCoordinator {
  let plan: RunPlan
  /// What a worker must have in common with the coordinator.
  public let identity: Coordinator.Identity
  let log: any StepLog
  var engine: StepEngine
  var state: StepState
  /// The digest of the adapter at the last version where replicas are compared, if that is this one.
  var comparedState: Digest?
  /// The record of the last commit; nil right after a start.
  var lastRecord: [UInt8]?
  /// What was sent last as a history, which others may need too.
  var lastHistory: (version: Int, base: Int?, payload: Payload)?
  var storage: StepStorage
  var sessions = SessionTable()
  /// Whose replica was not what it should be: it is sent a state before it counts again.
  var quarantined: Set<WorkerID> = []
  /// The losses of the open step.
  var answers: [WorkerID: Answer] = [:]
  var tally = StepTally()
  /// What the losses of the last steps say; not part of what is gone on from.
  var diagnostics: GradientDiagnostics
  /// How many steps are in it that were not told of.
  var undiagnosedCount = 0
  var clock: RunClock
  /// When the engine wants to be woken, by the run's time.
  var wantedWake: RunTime?
  let evaluateEvery: Int
  var participants: Set<WorkerID> = []
  var aware: Set<WorkerID> = []

  /// The losses of a worker's task.
  struct Answer {
    let report: LossReport
    /// Which of them were asked for.
    let signs: Signs
  }

  /// The adapter as committed last.
  public var adapter: ParameterVector { state.replica.adapter }

  /// How the run trains.
  var settings: ZerothOrderTraining { state.settings }

  /// How many commits the adapter has behind it.
  public var version: Int { state.chain.version }

  /// Who took part and has not been told that the run is over, by name.
  public var unaware: [WorkerID] { participants.subtracting(aware).sorted() }

  /// Who is awaited, since when and until when, by the machine's clock.
  public var status: RoundStatus { engine.status.byClock(behind: clock.lead) }

  /// Nothing of the workers' steps is longer than a message.
  public var activities: [WorkerID: WorkerHeartbeat.Activity] { [:] }

  /// Workers send no payloads.
  public var maximumPayloadByteCount: Int { 0 }

  /// Where nothing arrives.
  public func inbox(of worker: WorkerID) -> PayloadInbox { PayloadInbox() }

  /// How long writing the journal has taken since this was asked last.
  public func takeWritingTime() -> Duration { log.takeWritingTime() }

  /// The coordinator of a run by steps: a new one, or one that goes on from its last commit.
  ///
  /// - Parameters:
  ///   - initialAdapter: version 0, of the identity's layout.
  ///   - evaluateEvery: measure every so many versions, besides the first and the last;
  ///     0 for those two only, negative for none.
  /// - Throws: when the store holds another run, is in use, or is damaged.
  public init(
    plan: RunPlan, identity: Coordinator.Identity, location: RunStore.Location,
    initialAdapter: ParameterVector, evaluateEvery: Int, now: RunTime
  ) throws {
    let record = RunRecord(
      id: plan.run, created: now, configuration: identity.planBytes, model: identity.model,
      layout: try identity.layoutBytes(), software: softwareVersion)
    try self.init(
      plan: plan, identity: identity,
      log: RunStore.createSteps(
        record, versionCount: plan.rounds.versionCount,
        snapshot: firstSnapshot(of: plan, initialAdapter: initialAdapter), at: location),
      initialAdapter: initialAdapter, evaluateEvery: evaluateEvery, now: now)
  }

  /// The coordinator of the run that `log` holds, going on from its last commit.
  ///
  /// - Parameters:
  ///   - initialAdapter: version 0, of the identity's layout.
  ///   - evaluateEvery: measure every so many versions, besides the first and the last;
  ///     0 for those two only, negative for none.
  /// - Throws: when the log is damaged, or the plan is not one of steps.
  public init(
    plan: RunPlan, identity: Coordinator.Identity, log: any StepLog,
    initialAdapter: ParameterVector, evaluateEvery: Int, now: RunTime
  ) throws {
    try plan.training.check(totalVersions: plan.rounds.versionCount)
    let recovered = try StepRecovery(
      start: StepState(plan: plan, initialAdapter: initialAdapter), log: log)
    self.plan = plan
    self.identity = identity
    self.log = log
    self.evaluateEvery = evaluateEvery
    state = recovered.state
    storage = recovered.storage
    lastRecord = recovered.lastRecord
    comparedState = recovered.state.comparedDigest
    diagnostics = GradientDiagnostics(
      valueCount: state.settings.movedCount(of: identity.layout), rule: state.settings.rule)
    clock = RunClock(latest: now)
    engine = try StepEngine(
      rules: state.settings.stepRules(of: plan.rounds), version: state.chain.version,
      nextStep: state.nextStep, outcome: log.outcome(), at: now)
  }

  /// What to do first: nobody is connected yet.
  public mutating func start(at clock: RunTime) throws -> [Coordinator.Output] {
    let now = self.clock.time(at: clock)
    let started = Coordinator.Output.report(
      .started(run: plan.run, version: version, versionCount: plan.rounds.versionCount))
    let first =
      version == 0 && evaluateEvery >= 0
      ? [Coordinator.Output.evaluate(version: 0, adapter)] : []
    let over = engine.outcome.map { [StepEngine.Effect.finish($0)] } ?? []
    return [started] + first + (try carryOut(over, at: now))
  }
}

extension Coordinator.Identity {
  /// The layout as the store keeps it.
  package func layoutBytes() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return Array(try encoder.encode(layout))
  }
}

/// The snapshot that a run by steps of `plan` begins with; nil where its version 0 is all zeros, which
/// goes without saying.
package func firstSnapshot(
  of plan: RunPlan, initialAdapter: ParameterVector
) throws -> [UInt8]? {
  initialAdapter.isZero
    ? nil : try StepState(plan: plan, initialAdapter: initialAdapter).encoded()
}

extension ZerothOrderTraining {
  /// The rules that such steps are taken by.
  package func stepRules(of rounds: RoundRules) -> StepRules {
    StepRules(
      rounds: rounds, queryCount: queryCount, leastQueryCount: estimator.leastQueryCount,
      groupSize: parallelism?.groupSize ?? 1, splitsSigns: parallelism == .signs,
      followsSpeed: followsSpeed)
  }
}

extension RunPlan {
  /// The directions of the run, which all workers of a run by steps have.
  public func stepDirections(_ distribution: Directions.Distribution) -> Directions {
    Directions(of: Seed(seed), distribution: distribution)
  }
}
