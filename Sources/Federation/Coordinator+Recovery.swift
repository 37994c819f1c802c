// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
public import Rounds
public import Runs
public import Tensors

extension Coordinator {
  /// The coordinator of a run: a new one, or one that goes on from its last commit.
  ///
  /// - Parameters:
  ///   - initialAdapter: version 0, of the identity's layout.
  ///   - evaluateEvery: measure every so many versions, besides the first and the last;
  ///     0 for those two only, negative for none.
  /// - Throws: when the store holds another run, is in use, or is damaged.
  public init(
    plan: RunPlan, identity: Identity, location: RunStore.Location,
    initialAdapter: ParameterVector, evaluateEvery: Int, now: RunTime
  ) throws {
    let beginning = try RunBeginning(
      plan: plan, identity: identity, initialAdapter: initialAdapter, now: now)
    try self.init(
      plan: plan, identity: identity, log: beginning.store(at: location),
      initialAdapter: initialAdapter, evaluateEvery: evaluateEvery)
  }

  /// The coordinator of the run that `log` holds, going on from its last commit.
  ///
  /// - Parameter initialAdapter: version 0, of the identity's layout.
  /// - Throws: when the log is damaged.
  public init(
    plan: RunPlan, identity: Identity, log: any RunLog, initialAdapter: ParameterVector,
    evaluateEvery: Int
  ) throws {
    let (engine, state) = try log.recovered()
    self.plan = plan
    self.identity = identity
    self.log = log
    self.engine = engine
    clock = RunClock(latest: engine.now)
    self.evaluateEvery = evaluateEvery
    server = try ServerState(
      decoding: state, layout: identity.layout, plan: plan, origin: initialAdapter
    ) { try log.storedPayload($0) }
  }

  /// What to do first: nobody is connected yet, and what was outstanding is so again.
  public mutating func start(at clock: RunTime) throws -> [Output] {
    let now = self.clock.time(at: clock)
    let started = Output.report(
      .started(run: plan.run, version: version, versionCount: plan.rounds.versionCount))
    let first = version == 0 && evaluateEvery >= 0 ? [Output.evaluate(version: 0, adapter)] : []
    return [started] + first + (try decide(.restarted, at: now))
  }

  /// The plan and the adapter that a store holds, as they were committed last.
  public static func committed(
    in store: RunStore
  ) throws -> (plan: RunPlan, version: Int, adapter: ParameterVector) {
    let plan = try RunPlan(canonicalBytes: store.record.configuration)
    let layout = try store.adapterLayout()
    let state = try ServerState(
      decoding: store.latestSnapshot().state, layout: layout, plan: plan, origin: nil
    ) { try store.payload(of: $0) }
    return (plan, state.version, state.adapter)
  }
}

extension RunStore {
  /// The layout of the run's adapter.
  func adapterLayout() throws(FederationError) -> ParameterLayout {
    do {
      return try JSONDecoder().decode(ParameterLayout.self, from: Data(record.layout))
    } catch {
      throw .damagedState("the layout in \(path) cannot be read")
    }
  }
}
