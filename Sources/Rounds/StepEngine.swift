// SPDX-License-Identifier: Apache-2.0
internal import Digests

/// Steps of zeroth-order training: who evaluates which queries, and when a step is complete.
///
/// A pure value, as `RoundEngine` is. A step is one round trip: everybody who is here is given
/// queries, losses come back, and the step is committed, which opens the next one. Who leaves is not
/// waited for: its queries are left out. Where two workers with the same data evaluate one sign each
/// of the same queries, that leaves out the queries of both. A step's number is used once, committed
/// or not, for it says which directions its queries are.
///
/// Nothing of this is journalled but the commits: a coordinator that comes back goes on with an
/// engine made from the last one.
public struct StepEngine: Equatable, Sendable {
  /// What the steps are taken by.
  public let rules: StepRules
  /// How many commits have been made.
  public internal(set) var version: Int
  /// What has been counted since this engine was made.
  public internal(set) var statistics = RoundStatistics()

  var phase: Phase
  var members: [WorkerID: Member] = [:]
  /// Who did not answer the last step that it had a task in: nobody is to rely on it before it has
  /// answered one.
  var unreliable: Set<WorkerID> = []
  /// The number of the next step.
  public internal(set) var nextStep: Int
  var failedStepsInARow = 0
  /// The time of the last event; time never goes back, even if clocks do.
  public internal(set) var now: RunTime
  var requestedWake: RunTime?

  /// A worker that is here.
  struct Member: Equatable, Sendable {
    let since: RunTime
    /// The digest of its data; nil if it did not say.
    let data: Digest?
    /// How long a query takes it with both signs, from assignment to answer, as a moving mean; nil
    /// before the first.
    var secondsPerQuery: Double?
    /// How many answers that is the mean of.
    var answerCount = 0
  }

  enum Phase: Equatable, Sendable {
    case gathering(since: RunTime)
    case resting(until: RunTime)
    case stepping(OpenStep)
    case committing(step: Int, since: RunTime, answerCount: Int)
    case finished(RoundEngine.Outcome)
  }

  /// A run that has made `version` versions in steps below `nextStep`, with nobody there.
  ///
  /// - Parameter outcome: how it ended, if it did.
  /// - Throws: The first rule that is out of its range.
  public init(
    rules: StepRules, version: Int = 0, nextStep: Int = 0, outcome: RoundEngine.Outcome? = nil,
    at now: RunTime
  ) throws(RoundError) {
    self.rules = try rules.validated()
    self.version = version
    self.nextStep = nextStep
    self.now = min(now, RoundEngine.horizon)
    let isComplete = version >= rules.rounds.versionCount
    let outcome = isComplete ? .completed(version: version) : outcome
    phase = outcome.map { .finished($0) } ?? .gathering(since: self.now)
  }

  /// How the run ended; nil while it goes on.
  public var outcome: RoundEngine.Outcome? {
    if case .finished(let outcome) = phase { outcome } else { nil }
  }

  /// Takes what happened at `time` into account.
  ///
  /// - Returns: What is to be done now, in order.
  public mutating func handle(_ event: Event, at time: RunTime) -> [Effect] {
    var effects: [Effect] = []
    now = min(max(time, now), RoundEngine.horizon)
    if case .left = event {} else { advance(&effects) }
    apply(event, &effects)
    advance(&effects)
    requestWake(&effects)
    return effects
  }

  private mutating func apply(_ event: Event, _ effects: inout [Effect]) {
    switch event {
    case .joined(let worker, let data): join(worker, data, &effects)
    case .left(let worker): leave(worker, &effects)
    case .answered(let worker, let step): take(from: worker, step, event, &effects)
    case .failed(let worker, let step, let reason):
      withdraw(worker, from: step, reason, event, &effects)
    case .committed(let step, let version): commit(version, of: step, event, &effects)
    case .commitFailed(let step, let reason):
      guard case .committing(step, _, _) = phase else {
        return disregard(event, .notAggregating, &effects)
      }
      abandon(step, reason, &effects)
    case .woke: requestedWake = nil
    case .stopped(let reason):
      guard outcome == nil else { return disregard(event, .runEnded, &effects) }
      finish(.stopped(version: version, reason: reason), &effects)
    }
  }
}

/// A step while workers evaluate its queries.
struct OpenStep: Equatable, Sendable {
  let number: Int
  let openedAt: RunTime
  let deadline: RunTime
  var tasks: [WorkerID: Task] = [:]

  struct Task: Equatable, Sendable {
    let queries: Range<Int>
    let signs: Signs
    /// The digest of the data that it is to be evaluated on; nil if the worker did not say.
    let data: Digest?
    var standing: Standing
  }

  /// Where a worker stands with its task.
  enum Standing: Equatable, Sendable {
    case working(since: RunTime)
    case absent
    case answered
    case failed(reason: String)
  }

  /// Every walk over the workers takes this order.
  var sortedTasks: [(worker: WorkerID, task: Task)] {
    tasks.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Whose losses are in, in order.
  var answered: [WorkerID] {
    sortedTasks.compactMap { $0.task.standing == .answered ? $0.worker : nil }
  }

  /// Whose losses count, in order: all that are in, but for those of one sign without the other.
  var counted: [WorkerID] {
    let answered = answered
    let signs = answered.reduce(into: [Range<Int>: Set<Signs>]()) { signs, worker in
      guard let task = tasks[worker] else { return }
      signs[task.queries, default: []].insert(task.signs)
    }
    return answered.filter { worker in
      tasks[worker].map { $0.signs == .both || signs[$0.queries]?.count == 2 } ?? false
    }
  }

  /// Who is here and has neither answered nor failed, since when, in order.
  var outstanding: [(worker: WorkerID, since: RunTime)] {
    sortedTasks.compactMap {
      if case .working(let since) = $0.task.standing { ($0.worker, since) } else { nil }
    }
  }

  /// One line on why the step failed: what came, and from whom nothing.
  func account(of why: String, quorum: Int) -> String {
    var parts = ["\(why) with \(counted.count) of at least \(quorum) answers"]
    let halves = answered.filter { !counted.contains($0) }
    if !halves.isEmpty { parts.append("one sign without the other from \(listed(halves))") }
    if !outstanding.isEmpty { parts.append("nothing from \(listed(outstanding.map(\.worker)))") }
    let failures = sortedTasks.compactMap { one -> String? in
      if case .failed(let reason) = one.task.standing {
        "\(one.worker) failed: \(reason)"
      } else {
        nil
      }
    }
    if let first = failures.first {
      parts.append(failures.count == 1 ? first : "\(first) and \(failures.count - 1) more")
    }
    return parts.joined(separator: "; ")
  }
}
