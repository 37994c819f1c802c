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

/// A small run to be disturbed: who takes part, by which rules, and what goes wrong how often.
struct Scenario {
  let plan: RunPlan
  let layout: ParameterLayout
  let initialAdapter: ParameterVector
  let workers: [WorkerID]
  /// What walks are made by; nil in a run that has none.
  let walkRules: WalkRules?
  /// When faults end, in nanoseconds.
  let faultsUntil: Int64
  /// Each kind of fault happens once in so many chances; 0 is never.
  let rates: [Fault: Int]
  /// Whether nothing but the workers' own contributions can become part of the adapter, all of
  /// them in each version: then every disturbance ends with the undisturbed run's bits.
  let isComparable: Bool
  /// Whether the run may end before its last version.
  let mayFail: Bool
  /// Whether the store is SQLite; else it is a few arrays.
  let usesRunStore: Bool

  init(seed: UInt64) {
    var random = RandomStream(Seed(seed).derived("scenario"))
    let workerCount = 1 + random.integer(below: 5)
    workers = (0..<workerCount).compactMap { WorkerID(rawValue: "w\($0)") }
    isComparable = random.integer(below: 3) == 0
    mayFail = !isComparable && random.integer(below: 4) == 0
    let layout = Self.layout(&random)
    // Drawn apart, so that the other seeds' scenarios are what they were.
    var width = RandomStream(Seed(seed).derived("layout"))
    // Only of many parameters a snapshot is longer than several changes.
    self.layout =
      width.integer(below: 8) == 0 ? ParameterLayout([("layers.0.t", [16, 12])]) : layout
    let bound: Float = random.integer(below: 2) == 0 ? 0 : 3
    var initial = ParameterVector(zerosOf: self.layout)
    for index in initial.values.indices where bound > 0 {
      initial.values[index] = random.uniform(bound: bound)
    }
    initialAdapter = initial
    let rules = Self.rules(
      workerCount: workerCount, isComparable: isComparable, mayFail: mayFail, &random)
    var updates = Self.updates(&random, seed: seed)
    let training = Self.training(seed: seed, layout: self.layout, &updates)
    plan = Self.plan(seed: seed, rounds: rules, updates: updates, training: training)
    walkRules =
      updates.steps == .asChanges ? nil : training.zerothOrder?.walkRules(of: self.layout)
    faultsUntil = seconds(Double(5 + random.integer(below: 60)))
    usesRunStore = random.integer(below: 64) == 0
    var rates: [Fault: Int] = [:]
    for fault in Fault.allCases {
      let isWanted = random.integer(below: 2) == 0
      let rate = fault.likeliest + random.integer(below: fault.likeliest * 8)
      let isAllowed =
        !isComparable && (mayFail || !fault.canEndTheRun) || !fault.changesWhatIsLearned
      rates[fault] = isWanted && isAllowed ? rate : 0
    }
    self.rates = rates
  }

  /// Whether a worker sends walks: all of them, or in a mixed run every other one.
  func walks(_ index: Int) -> Bool {
    walkRules != nil && (plan.training.gradient == nil || index % 2 == 1)
  }

  /// How workers learn, and how the steps travel of those that learn by losses.
  ///
  /// Drawn apart, so that the other seeds' scenarios are what they were.
  private static func training(
    seed: UInt64, layout: ParameterLayout, _ updates: inout UpdatePlan
  ) -> TrainingPlan {
    var random = RandomStream(Seed(seed).derived("directions"))
    guard random.integer(below: 4) == 3 else { return .gradient(GradientTraining()) }
    var settings = ZerothOrderTraining(
      localSteps: 1 + random.integer(below: 3), queryCount: 1 + random.integer(below: 3))
    // Drawn apart, as above.
    var source = RandomStream(Seed(seed).derived("source of directions"))
    settings.source = pick([.own, .shared, .pool(count: 4 + source.integer(below: 12))], &source)
    if settings.source.count == nil {
      settings.blockCount = pick([1, 1, layout.entries.count], &source)
      var subspace = RandomStream(Seed(seed).derived("subspace"))
      let ranks = Set(layout.entries.map { $0.shape[1] })
      if subspace.integer(below: 2) == 0, ranks.count == 1, let rank = ranks.first {
        settings.subspace = ZerothOrderTraining.Subspace(
          rank: 1 + subspace.integer(below: rank), stepCount: 1 + subspace.integer(below: 4))
      }
    }
    updates.steps = .up
    if random.integer(below: 2) == 0 {
      return .mixed(gradient: GradientTraining(), zerothOrder: settings)
    }
    if case .sgd(_, momentum: 0) = updates.server {
      (updates.steps, updates.down) = (.upAndDown, .dense)
    }
    return .zerothOrder(settings)
  }

  private static func plan(
    seed: UInt64, rounds: RoundRules, updates: UpdatePlan, training: TrainingPlan
  ) -> RunPlan {
    guard let run = RunID(rawValue: "faults") else {
      preconditionFailure("'faults' is a run's name")
    }
    return RunPlan(
      run: run, seed: seed,
      adapter: .lora(
        LoRAConfiguration(rank: 1, alpha: 1, targets: [.query], factors: .b, seed: 1)),
      data: nil, training: training, updates: updates, rounds: rounds)
  }

  private static func layout(_ random: inout RandomStream) -> ParameterLayout {
    let tensorCount = 1 + random.integer(below: 3)
    return ParameterLayout(
      (0..<tensorCount).map {
        ("layers.\($0).t", [1 + random.integer(below: 4), 1 + random.integer(below: 4)])
      })
  }

  private static func rules(
    workerCount: Int, isComparable: Bool, mayFail: Bool, _ random: inout RandomStream
  ) -> RoundRules {
    let cohort = isComparable ? workerCount : 1 + random.integer(below: workerCount)
    let quorum = isComparable ? cohort : 1 + random.integer(below: cohort)
    let minimum = isComparable ? cohort : quorum + random.integer(below: workerCount - quorum + 1)
    return RoundRules(
      versionCount: 1 + random.integer(below: 6), cohortSize: cohort,
      overSelection: isComparable ? 1 : pick([1, 1.3, 2], &random), quorum: quorum,
      minimumWorkers: minimum, deadline: .seconds(pick([5, 15, 40], &random)),
      absenceGrace: .milliseconds(pick([0, 1_000, 5_000, 30_000], &random)),
      maximumFailedRounds: mayFail ? 2 + random.integer(below: 5) : 1_000_000,
      retryDelay: .milliseconds(pick([0, 500, 3_000], &random)))
  }

  private static func updates(_ random: inout RandomStream, seed: UInt64) -> UpdatePlan {
    let up: [UpdateCodec] = [
      .dense, .ternary(density: 0.1), .ternary(density: 0.3), .ternary(density: 1),
    ]
    let servers: [ServerOptimizerRule] = [
      .sgd(learningRate: 1, momentum: 0), .sgd(learningRate: 0.5, momentum: 0.9),
      .adam(learningRate: 0.3), .yogi(learningRate: 0.3), .adagrad(learningRate: 0.3),
    ]
    var plan = UpdatePlan(
      up: pick(up, &random), opening: pick(up, &random),
      openingVersionCount: random.integer(below: 3),
      down: pick([.dense, .ternary(density: 0.2), .ternary(density: 0.6)], &random),
      server: pick(servers, &random))
    // Drawn apart, so that the other seeds' scenarios are what they were.
    var memory = RandomStream(Seed(seed).derived("no memory"))
    if memory.integer(below: 4) == 0 { plan.up = plan.up.withoutMemory }
    if memory.integer(below: 4) == 0 { plan.opening = plan.opening.withoutMemory }
    return plan
  }
}

extension UpdateCodec {
  /// The codec that is right on average where this one remembers what it left out.
  fileprivate var withoutMemory: UpdateCodec {
    if case .ternary(let density) = self { .stochasticTernary(density: density) } else { self }
  }
}

/// One of `choices`.
func pick<Choice>(_ choices: [Choice], _ random: inout RandomStream) -> Choice {
  choices[random.integer(below: choices.count)]
}

/// A number of seconds in nanoseconds.
func seconds(_ count: Double) -> Int64 { Int64(count * 1e9) }

extension Duration {
  /// The duration in nanoseconds.
  var nanoseconds: Int64 { wholeNanoseconds }
}
