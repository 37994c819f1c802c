// SPDX-License-Identifier: Apache-2.0
public import Files
public import Messages
public import Rounds
public import Runs
public import Tensors
internal import Training

/// A coordinator as its service sees it, whatever travels: events in, what is to be done out.
public protocol RunCoordinator {
  /// What a worker must have in common with it.
  var identity: Coordinator.Identity { get }
  /// The adapter as committed last.
  var adapter: ParameterVector { get }
  /// Who is awaited, since when and until when, by the machine's clock.
  var status: RoundStatus { get }
  /// The workers' current training steps, as their heartbeats told.
  var activities: [WorkerID: WorkerHeartbeat.Activity] { get }
  /// Who took part and has not been told that the run is over, by name.
  var unaware: [WorkerID] { get }
  /// No upload of this run may be longer.
  var maximumPayloadByteCount: Int { get }

  /// What to do first.
  mutating func start(at clock: RunTime) throws -> [Coordinator.Output]

  /// Takes one input and says what follows from it; `clock` is the machine's.
  ///
  /// - Throws: when the store fails; the coordinator must then not be used any more.
  mutating func handle(
    _ input: Coordinator.Input, at clock: RunTime
  ) throws -> [Coordinator.Output]

  /// Where the uploads of `worker` arrive.
  func inbox(of worker: WorkerID) -> PayloadInbox

  /// How long writing the journal has taken since this was asked last.
  func takeWritingTime() -> Duration
}

extension Coordinator: RunCoordinator {}

/// The coordinator of a run that is kept at `location`, of the kind that its plan asks for: a new one,
/// or one that goes on from its last commit.
///
/// - Parameters:
///   - initialAdapter: version 0, of the identity's layout.
///   - evaluateEvery: measure every so many versions, besides the first and the last;
///     0 for those two only, negative for none.
/// - Throws: when the store holds another run, is in use, or is damaged.
public func openCoordinator(
  of plan: RunPlan, identity: Coordinator.Identity, at location: RunStore.Location,
  initialAdapter: ParameterVector, evaluateEvery: Int, now: RunTime
) throws -> any RunCoordinator {
  guard plan.training.isBySteps else {
    return try Coordinator(
      plan: plan, identity: identity, location: location, initialAdapter: initialAdapter,
      evaluateEvery: evaluateEvery, now: now)
  }
  return try StepCoordinator(
    plan: plan, identity: identity, location: location, initialAdapter: initialAdapter,
    evaluateEvery: evaluateEvery, now: now)
}

/// The plan and the adapter that a store holds, as they were committed last.
///
/// - Throws: when the store is damaged.
public func committedAdapter(
  in store: RunStore
) throws -> (plan: RunPlan, version: Int, adapter: ParameterVector) {
  let plan = try RunPlan(canonicalBytes: store.record.configuration)
  guard plan.training.isBySteps else { return try Coordinator.committed(in: store) }
  let replay = try StepReplay(store, fromStart: false)
  return (plan, replay.version, replay.adapter)
}
