// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Messages
internal import Randomness
internal import Rounds
internal import Runs
internal import Tensors
internal import Training
internal import Updates

/// What a run by steps must be, made by itself from the records that were written.
struct StepOracle {
  private var replica: ZerothOrderReplica
  private var chain: CommitChain
  /// The digest of the adapter at each version.
  private(set) var states: [Digest]
  private var usedSteps: Set<UInt32> = []
  /// On which data each query of the steps that are not committed was evaluated, and with which signs,
  /// for the coordinator that there is now.
  private var evaluated: [UInt32: [UInt32: [Signs: Int]]] = [:]
  private var clip = ScalarClip()
  /// Whether a replica may have been tampered with, so that losses are not those of the adapter.
  private let areReplicasTampered: Bool

  init(_ scenario: StepScenario) throws {
    guard let settings = scenario.plan.training.sharedSteps else {
      throw Breach("a plan without steps")
    }
    replica = settings.replica(
      from: scenario.initialAdapter, directions: scenario.plan.stepDirections(settings.distribution)
    )
    chain = CommitChain(
      plan: try scenario.plan.digest(), adapter: scenario.initialAdapter.digest)
    states = [scenario.initialAdapter.digest]
    self.plan = scenario.plan
    self.initialAdapter = scenario.initialAdapter
    areReplicasTampered = scenario.rates[.bitFlip] != nil
  }

  private let plan: RunPlan
  private let initialAdapter: ParameterVector

  /// The snapshot of version 0, where the run needs one.
  func first() throws -> [UInt8]? {
    try firstSnapshot(of: plan, initialAdapter: initialAdapter)
  }

  /// A store in SQLite.
  func store(of identity: Coordinator.Identity, _ scenario: StepScenario) throws -> RunStore {
    try RunStore.createSteps(
      RunRecord(
        id: plan.run, created: RunTime(nanoseconds: Fleet.beginning),
        configuration: identity.planBytes, model: identity.model,
        layout: try identity.layoutBytes(), software: "simulated"),
      versionCount: plan.rounds.versionCount, snapshot: first(), at: .memory)
  }

  /// Takes what was written since the last time.
  mutating func follow(_ log: FragileStepLog, _ scenario: StepScenario) throws {
    for record in log.records.dropFirst(states.count - 1) {
      let commit = try DirectionCommit(record: record)
      try require(chain.isFollowed(by: commit), "version \(commit.version) does not follow")
      try require(
        usedSteps.insert(commit.step.step).inserted, "step \(commit.step.step) is used twice")
      try checkSigns(of: commit)
      replica.apply(commit.step)
      chain.append(commit, record: record)
      states.append(replica.adapter.digest)
      let isCompared =
        commit.version % comparedVersionInterval == 0
        || commit.version == plan.rounds.versionCount
      try require(
        commit.state == (isCompared ? states.last : nil),
        "version \(commit.version) says it is another adapter than it is")
    }
  }

  /// A coordinator that comes back knows no losses, and may give the numbers of their steps again.
  mutating func forgetEvaluations() { evaluated = [:] }

  /// Takes what a worker evaluated and sends.
  mutating func note(_ job: StepWorker.Job, onData data: Int) {
    for query in job.queries {
      evaluated[UInt32(job.step), default: [:]][UInt32(query), default: [:]][job.signs] = data
    }
  }

  /// Where signs are split, a commit is what the losses with both signs on the same data come to, made
  /// again from nothing but the adapter before it.
  private mutating func checkSigns(of commit: DirectionCommit) throws {
    guard let settings = plan.training.sharedSteps, settings.parallelism == .signs else { return }
    let step = commit.step.step
    var scalars = try commit.step.terms.flatMap { term in
      let (data, estimator) = (try data(ofQuery: term.query, ofStep: step), settings.estimator)
      let losses = pretendedLosses(
        ofData: data, at: replica.adapter, step: Int(step), queries: [term.query], .both,
        plan: plan)
      return estimator.estimate(estimator.losses(losses, for: [term.query])).scalars
    }
    evaluated = evaluated.filter { $0.key > step }
    let rate = settings.learningRate(
      atStep: commit.version - 1, of: plan.rounds.versionCount)
    if settings.clips, settings.rule != .sign { _ = clip.clip(&scalars) }
    clip.note(commit.step, by: settings.rule, learningRate: rate)
    try require(
      areReplicasTampered
        || commit.step == settings.rule.step(step, for: scalars, learningRate: rate),
      "version \(commit.version) is not what losses with both signs come to")
  }

  private func data(ofQuery query: UInt32, ofStep step: UInt32) throws -> Int {
    let data = evaluated[step]?[query] ?? [:]
    if let data = data[.both] { return data }
    guard let plus = data[.plus], plus == data[.minus] else {
      throw Breach("query \(query) of step \(step) was evaluated as \(data)")
    }
    return plus
  }

  func check(_ coordinator: StepCoordinator?) throws {
    guard let coordinator else { return }
    try require(
      coordinator.inspection.engine.invariants == [], "\(coordinator.inspection.engine.invariants)")
    try require(
      coordinator.version == states.count - 1 && coordinator.adapter == replica.adapter,
      "the coordinator has another version \(coordinator.version) than is written down")
  }

  func checkRecovered(_ version: Int, _ adapter: ParameterVector) throws {
    try require(
      version == states.count - 1 && adapter == replica.adapter,
      "the coordinator came back with another version \(version)")
  }

  func checkReplica(_ version: Int, _ adapter: ParameterVector, of worker: WorkerID) throws {
    try require(
      version < states.count && adapter.digest == states[version],
      "\(worker) holds another version \(version) than the coordinator")
  }

  func checkEnd(_ finished: Finished) throws {
    try require(
      finished.version == states.count - 1 && finished.state == states.last,
      "a worker hears of another end, version \(finished.version)")
  }

  /// Snapshot and tail, and the log alone, are what taking part was.
  func checkEnd(_ log: FragileStepLog, _ scenario: StepScenario) throws {
    for withSnapshots in [true, false] {
      let records = MemoryStepLog(first: try first())
      for (index, record) in log.records.enumerated() {
        try records.commitStep(
          version: index + 1, record: record, snapshot: nil,
          at: RunTime(nanoseconds: Fleet.beginning))
      }
      let recovered = try StepCoordinator(
        plan: plan,
        identity: Coordinator.Identity(
          model: Digest(of: [1, 2, 3]), layout: scenario.layout, plan: plan,
          heartbeatInterval: .seconds(2)),
        log: withSnapshots ? log : records, initialAdapter: initialAdapter, evaluateEvery: -1,
        now: RunTime(nanoseconds: Fleet.beginning))
      try require(
        recovered.version == plan.rounds.versionCount && recovered.adapter == replica.adapter,
        "the log \(withSnapshots ? "with" : "without") snapshots gives another adapter")
    }
  }
}
