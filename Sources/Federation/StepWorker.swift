// SPDX-License-Identifier: Apache-2.0
public import Digests
internal import Files
public import Messages
public import Rounds
public import Tensors
internal import Training
internal import Updates

/// What a worker knows and decides in a run by steps: no socket, no clock, no task.
///
/// It keeps a replica that follows the run's commits, and evaluates what it is asked for. It
/// remembers nothing: a worker that was away is sent what it missed.
public struct StepWorker {
  /// What the shell must do, in order.
  public enum Order: Equatable {
    /// Send this to the coordinator.
    case send(WorkerMessage)
    /// Evaluate; whatever else was to be evaluated is of no use any more.
    case evaluate(Job)
    /// Stop evaluating.
    case rest(reason: String)
  }

  /// What there is to evaluate.
  public struct Job: Hashable, Sendable {
    /// The step.
    public let step: Int
    /// The version.
    public let version: Int
    /// The queries.
    public let queries: Range<Int>
    /// Which way along their directions.
    public let signs: Signs
    /// The adapter at that version.
    public let adapter: ParameterVector
  }

  private let start: StepState
  private var state: StepState
  private var job: Job?
  /// Whether what is held came from the coordinator, or is what the plan says.
  private var hasFollowed = false

  /// A worker of the run of `plan` whose version 0 is `initialAdapter`.
  ///
  /// - Throws: unless the plan is one of steps.
  public init(plan: RunPlan, initialAdapter: ParameterVector) throws {
    start = try StepState(plan: plan, initialAdapter: initialAdapter)
    state = start
  }

  /// The version held here, and the digest of its commits, for the hello.
  public var held: (version: Int, state: Digest)? {
    hasFollowed ? (state.chain.version, state.chain.digest) : nil
  }

  /// The adapter held here.
  public var adapter: ParameterVector { state.replica.adapter }

  /// Takes a task: follows the commits, then evaluates.
  ///
  /// - Throws: what does not lead from here to the task's version. What is held then is as before.
  public mutating func assigned(_ task: StepTask) throws -> [Order] {
    guard task.signs == .both || start.settings.parallelism == .signs else {
      throw FederationError.unexpected("a task of one sign in a run that does not split them")
    }
    if let history = task.history { try follow(history) }
    for record in task.commits {
      let commit = try DirectionCommit(record: record)
      // What came twice changes nothing.
      if commit.version <= state.chain.version { continue }
      try apply(commit, record)
    }
    guard state.chain.version == task.baseVersion else {
      if task.baseVersion < state.chain.version { return [] }
      throw FederationError.unexpected(
        "a task at version \(task.baseVersion), but version \(state.chain.version) is here")
    }
    if let job, task.step <= job.step { return [] }
    let job = Job(
      step: task.step, version: task.baseVersion, queries: task.queries, signs: task.signs,
      adapter: adapter)
    self.job = job
    return [.evaluate(job)]
  }

  /// Takes what was evaluated, and sends it; nothing when a newer task has come.
  public mutating func evaluated(
    _ losses: [Double], of job: Job, exampleCount: Int, tokenCount: Int
  ) -> [Order] {
    // A coordinator that came back gives out the number of a step that was not committed again.
    guard let asked = self.job, asked.step == job.step, asked.queries == job.queries,
      asked.signs == job.signs, job.version == state.chain.version
    else { return [] }
    let report = LossReport(
      step: job.step, baseVersion: job.version, firstQuery: job.queries.lowerBound,
      losses: losses, exampleCount: exampleCount, tokenCount: tokenCount,
      state: state.comparedDigest)
    return [.send(.losses(report))]
  }

  /// Evaluating failed: the coordinator hears why.
  public mutating func failed(step: Int, reason: String) -> [Order] {
    guard let job, job.step == step else { return [] }
    return [.send(.failed(round: step, reason: reason))]
  }

  /// The step goes on without this worker.
  public mutating func released(step: Int, reason: String) -> [Order] {
    guard let job, job.step == step else { return [] }
    return [.rest(reason: reason)]
  }

  /// A new connection: a task may be given again.
  public mutating func reconnected() { job = nil }

  /// Changes a bit of the replica.
  mutating func tamper() {
    let step = DirectionStep(
      step: 0, terms: [DirectionTerm(query: 0, coefficient: 0x1p-10)],
      rate: state.replica.rule.hasState ? 0x1p-10 : nil)
    state.replica.apply(step)
  }

  private mutating func follow(_ delivery: AdapterDelivery) throws {
    if delivery.version <= state.chain.version, delivery.baseVersion != nil { return }
    let history = try StepHistory(decoding: try delivery.payload.bytes())
    var next = state
    if let bytes = history.state {
      next = try StepState(decoding: bytes, from: "the coordinator's state", start: start)
    } else if delivery.baseVersion == 0 {
      next = start
    }
    for record in history.records {
      let commit = try DirectionCommit(record: record)
      guard commit.version > next.chain.version else { continue }
      try next.apply(commit, record: record)
    }
    guard next.chain.version == delivery.version else {
      throw FederationError.unexpected(
        "a history that ends at version \(next.chain.version) instead of \(delivery.version)")
    }
    guard next.replica.adapter.digest == delivery.state else {
      throw FederationError.unexpected(
        "a history of version \(delivery.version) that leads to another adapter")
    }
    state = next
    hasFollowed = true
  }

  private mutating func apply(_ commit: DirectionCommit, _ record: [UInt8]) throws {
    try state.apply(commit, record: record)
    hasFollowed = true
  }
}
