// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Digests
internal import Federation
internal import Models
internal import Randomness
internal import Rounds
internal import Tensors
internal import Training
internal import Updates

/// A small run by steps to be disturbed: who takes part, how, and what goes wrong how often.
struct StepScenario {
  /// What can go wrong.
  enum Mischief: CaseIterable {
    /// A message vanishes, and the connection goes on.
    case drop
    /// A message arrives twice.
    case duplicate
    /// A message arrives before those sent before it, or after those sent after it.
    case reorder
    /// A message takes long, perhaps beyond the deadline.
    case delay
    /// A connection breaks; what is on its way is lost.
    case cut
    /// A worker's process is killed.
    case workerKill
    /// The coordinator is killed at any time, before or after it writes.
    case coordinatorKill
    /// A bit of a worker's replica changes.
    case bitFlip
    /// A worker evaluates a loss that is not finite.
    case nonFinite
    /// An answer is to another step or version, of other queries, or of another length.
    case falseAnswer
    /// A worker cannot evaluate.
    case failure
    /// Evaluating takes long; in runs that split signs alone.
    case slow
  }

  let plan: RunPlan
  let layout: ParameterLayout
  let initialAdapter: ParameterVector
  let workers: [WorkerID]
  /// What each worker has as data: who has the same number has the same.
  let data: [Int]
  /// What each worker says that it is; nil if it does not.
  let dataDigests: [Digest?]
  /// When faults end, in nanoseconds.
  let faultsUntil: Int64
  /// Each kind of mischief happens once in so many chances; 0 is never.
  let rates: [Mischief: Int]
  /// Whether the store is SQLite; else it is a few arrays.
  let usesRunStore: Bool

  init(seed: UInt64, versionCount: Int) {
    var random = RandomStream(Seed(seed).derived("step scenario"))
    let count = 1 + random.integer(below: 5)
    workers = (0..<count).compactMap { WorkerID(rawValue: "w\($0)") }
    let (width, rowCount) = (1 + random.integer(below: 7), 1 + random.integer(below: 3))
    // Drawn apart, so that the other seeds' scenarios are what they were.
    var subspaces = RandomStream(Seed(seed).derived("subspaces"))
    let subspace: ZerothOrderTraining.Subspace? =
      subspaces.integer(below: 3) > 0
      ? nil
      : ZerothOrderTraining.Subspace(
        rank: 1 + subspaces.integer(below: width), stepCount: 1 + subspaces.integer(below: 60))
    // So are these: a few have the same data, of whom some do not say so.
    var signs = RandomStream(Seed(seed).derived("signs"))
    let splitsSigns = signs.integer(below: 4) == 0
    data = (0..<count).map { splitsSigns ? signs.integer(below: 2) : $0 }
    dataDigests = data.map { data in
      splitsSigns && signs.integer(below: 5) == 0 ? nil : Digest(of: [UInt8(data)])
    }
    layout = ParameterLayout([
      ("layers.0.a", [3, width]), ("layers.1.b", [rowCount, subspace == nil ? 50 : width]),
    ])
    let isZero = random.integer(below: 2) == 0
    var initial = ParameterVector(zerosOf: layout)
    for index in initial.values.indices where !isZero {
      initial.values[index] = random.uniform(bound: 1)
    }
    initialAdapter = initial
    plan = Self.plan(
      seed: seed, versionCount: versionCount, workerCount: count, splitsSigns: splitsSigns,
      subspace, &random)
    faultsUntil = seconds(Double(5 + random.integer(below: 120)))
    usesRunStore = random.integer(below: 64) == 0
    var rates: [Mischief: Int] = [:]
    for mischief in Mischief.allCases
    where mischief != .slow && random.integer(below: 2) == 0 {
      rates[mischief] = 4 << random.integer(below: 7)
    }
    if splitsSigns, signs.integer(below: 2) == 0 { rates[.slow] = 2 << signs.integer(below: 5) }
    self.rates = rates
  }

  private static func plan(
    seed: UInt64, versionCount: Int, workerCount: Int, splitsSigns: Bool,
    _ subspace: ZerothOrderTraining.Subspace?, _ random: inout RandomStream
  ) -> RunPlan {
    guard let run = RunID(rawValue: "steps") else {
      preconditionFailure("'steps' is a run's name")
    }
    let kind = pick(GradientEstimator.Kind.allCases, &random)
    // Drawn apart, so that the other seeds' scenarios are what they were.
    var blocks = RandomStream(Seed(seed).derived("blocks"))
    var settings = ZerothOrderTraining(
      localSteps: 1, queryCount: 2 + random.integer(below: 3), learningRate: 0.02,
      schedule: pick([.constant, .cosine], &random),
      estimator: GradientEstimator(kind, perturbation: 0.01),
      rule: pick([.sgd, .sign, .momentum(beta: 0.9), .adam()], &random),
      clips: random.integer(below: 2) == 0,
      distribution: pick([.rademacher, .gaussian], &random),
      factors: subspace == nil ? .both : .b,
      blockCount: 1 + blocks.integer(below: 2), subspace: subspace,
      parallelism: pick([.perturbations, .data, .both], &random))
    if splitsSigns {
      settings.estimator = GradientEstimator(.twoSided, perturbation: 0.01)
      settings.parallelism = .signs
    }
    return RunPlan(
      run: run, seed: seed,
      adapter: .lora(
        LoRAConfiguration(rank: 1, alpha: 1, targets: [.query], factors: .both, seed: 1)),
      data: nil, training: .zerothOrder(settings),
      updates: UpdatePlan(
        up: .dense, opening: .dense, openingVersionCount: 0, down: .dense,
        server: .sgd(learningRate: 1, momentum: 0)),
      rounds: RoundRules(
        versionCount: versionCount, cohortSize: workerCount,
        quorum: 1 + random.integer(below: workerCount), minimumWorkers: workerCount,
        deadline: .seconds(pick([2, 5], &random)), maximumFailedRounds: 1_000_000,
        retryDelay: .milliseconds(pick([0, 500], &random))))
  }
}

/// The losses that are evaluated on some data: of a function of their own, at the places asked for.
///
/// Like real ones, they depend on the data, the step and the adapter, and on nothing else.
func pretendedLosses(
  ofData data: Int, at adapter: ParameterVector, step: Int, queries: [UInt32], _ signs: Signs,
  plan: RunPlan
) -> [Double] {
  guard let settings = plan.training.sharedSteps else { return [] }
  let point = settings.replica(
    from: adapter, directions: plan.stepDirections(settings.distribution))
  return settings.estimator.displacements(for: queries, on: signs.sides).map { terms in
    let moved = point.displaced(by: terms, ofStep: UInt32(step))
    return moved.values.enumerated().reduce(0) { sum, element in
      let goal = Double((element.offset * 37 + data + step % 3) % 17 - 8) / 8
      return sum + (Double(element.element) - goal) * (Double(element.element) - goal)
    }
  }
}
