// SPDX-License-Identifier: Apache-2.0
internal import Models
internal import Tensors
internal import Training
internal import Updates

extension Section {
  /// The section `training`, whose keys depend on its method.
  func training() throws(RunFileError) -> TrainingPlan {
    let others = (zerothOrderKeys + mixedKeys).filter { !gradientKeys.contains($0) }
    let any = try section("training", known: ["method"] + gradientKeys + others)
    switch try any.choice("method", .gradient, from: methods) {
    case .gradient:
      let section = try section("training", known: ["method"] + gradientKeys)
      return .gradient(try gradientTraining(section))
    case .zerothOrder:
      let section = try section("training", known: ["method"] + zerothOrderKeys)
      return .zerothOrder(try zerothOrderTraining(section))
    case .mixed:
      let both = try section("training", known: ["method"] + mixedKeys)
      return .mixed(
        gradient: try gradientTraining(both.section("gradient", known: gradientKeys)),
        zerothOrder: try zerothOrderTraining(both.section("zeroth-order", known: zerothOrderKeys)))
    }
  }

  private func gradientTraining(_ section: Section) throws(RunFileError) -> GradientTraining {
    let clip = try section.number("gradient-clip", 1, in: 0...1e6)
    return GradientTraining(
      localSteps: try section.integer("local-steps", 4, in: 1...1_000_000),
      batchSize: try section.integer("batch-size", 16, in: 1...65_536),
      learningRate: try section.number("learning-rate", 1e-3, in: 1e-12...1e3),
      warmup: try section.integer("warmup", 0, in: 0...1_000_000),
      schedule: try section.choice(
        "schedule", .cosine, from: [("cosine", .cosine), ("constant", .constant)]),
      weightDecay: try section.number("weight-decay", 0, in: 0...10),
      beta1: try section.number("beta1", 0.9, in: 0...0.999999),
      beta2: try section.number("beta2", 0.999, in: 0...0.9999999),
      epsilon: try section.number("epsilon", 1e-8, in: 1e-30...1),
      gradientClip: clip == 0 ? nil : clip,
      maximumTokens: try section.integer("maximum-tokens", 512, in: 2...1_048_576))
  }

  private func zerothOrderTraining(
    _ section: Section
  ) throws(RunFileError) -> ZerothOrderTraining {
    let usual = ZerothOrderTraining()
    let kind = try section.choice(
      "estimator", usual.estimator.kind,
      from: GradientEstimator.Kind.allCases.map { ($0.rawValue, $0) })
    let leastQueryCount = kind == .oneSided ? 2 : 1
    let queryCount = try section.integer(
      "queries", max(leastQueryCount, usual.queryCount), in: leastQueryCount...100_000)
    let rule = try section.updateRule()
    let parallelism = try section.parallelism(estimator: kind)
    let source = try section.directionSource(
      queryCount: queryCount, rule: rule, parallelism: parallelism)
    let isConservative = try section.conservative(rule: rule, parallelism: parallelism)
    return ZerothOrderTraining(
      localSteps: try section.integer(
        "local-steps", parallelism == nil ? usual.localSteps : 1,
        in: parallelism == nil ? 1...1_000_000 : 1...1),
      batchSize: try section.integer("batch-size", usual.batchSize, in: 1...65_536),
      queryCount: queryCount,
      learningRate: try section.number("learning-rate", usual.learningRate, in: 1e-12...1e3),
      schedule: try section.choice(
        "schedule", usual.schedule, from: [("constant", .constant), ("cosine", .cosine)]),
      objective: try section.choice(
        "objective", usual.objective, from: Objective.allCases.map { ($0.rawValue, $0) }),
      estimator: GradientEstimator(
        kind,
        perturbation: Float(
          try section.number(
            "perturbation", Double(usual.estimator.perturbation), in: 1e-12...1e3))),
      rule: rule, isConservative: isConservative,
      clips: try section.choice("clip", usual.clips, from: truth),
      source: source,
      distribution: try section.choice(
        "distribution", usual.distribution,
        from: Directions.Distribution.allCases.map { ($0.rawValue, $0) }),
      factors: try section.choice("factors", usual.factors, from: [("b", .b), ("both", .both)]),
      blockCount: try section.blockCount(source: source),
      subspace: try section.subspace(source: source),
      parallelism: parallelism,
      followsSpeed: try section.choice(
        "shares", usual.followsSpeed, from: [("speed", true), ("equal", false)]),
      maximumTokens: try section.integer("maximum-tokens", 512, in: 2...1_048_576))
  }

  /// How workers take each step together; the signs of an estimator that needs more than both of them
  /// cannot be split.
  private func parallelism(
    estimator: GradientEstimator.Kind
  ) throws(RunFileError) -> ZerothOrderTraining.Parallelism? {
    let parallelism = try choice(
      "parallel", nil,
      from: ZerothOrderTraining.Parallelism.allCases.map { ($0.rawValue, Optional($0)) })
    guard parallelism != .signs || estimator == .twoSided else {
      throw .badValue(
        key: name(of: "estimator"), value: estimator.rawValue,
        expected: "two-sided with 'parallel: signs'")
    }
    return parallelism
  }

  /// Whether only steps are taken that lower the loss, which neither a rule with state can nor workers
  /// that take steps together.
  private func conservative(
    rule: UpdateRule, parallelism: ZerothOrderTraining.Parallelism?
  ) throws(RunFileError) -> Bool {
    guard try choice("conservative", ZerothOrderTraining().isConservative, from: truth) else {
      return false
    }
    func complaint(_ expected: String) -> RunFileError {
      .badValue(key: name(of: "conservative"), value: "true", expected: expected)
    }
    guard rule == .sgd || rule == .sign else {
      throw complaint("false with momentum and adam")
    }
    guard parallelism == nil else { throw complaint("false with 'parallel'") }
    return true
  }

  /// Which directions workers walk along that take their own steps.
  private func directionSource(
    queryCount: Int, rule: UpdateRule, parallelism: ZerothOrderTraining.Parallelism?
  ) throws(RunFileError) -> DirectionSource {
    let count = try integer("pool-size", max(queryCount, 4096), in: queryCount...(1 << 20))
    let source = try choice(
      "directions", DirectionSource.own,
      from: [("own", .own), ("shared", .shared), ("pool", .pool(count: count))])
    func refuse(_ key: String, _ value: String, expected: String) throws(RunFileError) {
      throw .badValue(key: name(of: key), value: value, expected: expected)
    }
    if source.count == nil, has("pool-size") {
      try refuse("pool-size", "\(count)", expected: "none where 'directions' is not 'pool'")
    }
    let word = try string("directions") ?? ""
    if source != .own, parallelism != nil {
      try refuse("directions", word, expected: "none with 'parallel', which says it")
    }
    if source.count != nil, rule.hasState {
      try refuse("directions", word, expected: "own or shared with momentum and adam")
    }
    return source
  }

  /// In how many blocks the layers are moved; directions of a pool are the same in every step.
  private func blockCount(source: DirectionSource) throws(RunFileError) -> Int {
    let count = try integer("blocks", 1, in: 1...100_000)
    guard count == 1 || source.count == nil else {
      throw .badValue(
        key: name(of: "blocks"), value: "\(count)", expected: "1 where 'directions' is 'pool'")
    }
    return count
  }

  /// Which ranks are moved at a time; directions of a pool are the same in every step.
  private func subspace(
    source: DirectionSource
  ) throws(RunFileError) -> ZerothOrderTraining.Subspace? {
    let stepCount = try integer("subspace-steps", 50, in: 1...1_000_000)
    func complaint(_ key: String, _ value: Int, expected: String) -> RunFileError {
      .badValue(key: name(of: key), value: "\(value)", expected: expected)
    }
    guard has("subspace-rank") else {
      guard !has("subspace-steps") else {
        throw complaint("subspace-steps", stepCount, expected: "none without 'subspace-rank'")
      }
      return nil
    }
    let rank = try integer("subspace-rank", 1, in: 1...1_000_000)
    guard source.count == nil else {
      throw complaint("subspace-rank", rank, expected: "none where 'directions' is 'pool'")
    }
    guard try string("factors") ?? "b" == "b" else {
      throw complaint("subspace-rank", rank, expected: "none where 'factors' is 'both'")
    }
    return ZerothOrderTraining.Subspace(rank: rank, stepCount: stepCount)
  }

  private func updateRule() throws(RunFileError) -> UpdateRule {
    let beta = try number("beta1", 0.9, in: 0...0.999999)
    return try choice(
      "rule", .sgd,
      from: [
        ("sgd", .sgd), ("sign", .sign), ("momentum", .momentum(beta: beta)),
        (
          "adam",
          .adam(
            beta1: beta, beta2: try number("beta2", 0.999, in: 0...0.9999999),
            epsilon: try number("epsilon", 1e-8, in: 1e-30...1))
        ),
      ])
  }
}

private let truth = [("true", true), ("false", false)]

private enum Method {
  case gradient, zerothOrder, mixed
}

private let methods: [(String, Method)] = [
  ("gradient", .gradient), ("zeroth-order", .zerothOrder), ("mixed", .mixed),
]

/// Each has the keys of its method.
private let mixedKeys = ["gradient", "zeroth-order"]

private let gradientKeys = [
  "local-steps", "batch-size", "learning-rate", "warmup", "schedule", "weight-decay",
  "beta1", "beta2", "epsilon", "gradient-clip", "maximum-tokens",
]

private let zerothOrderKeys = [
  "local-steps", "batch-size", "queries", "learning-rate", "schedule", "perturbation",
  "estimator", "rule", "beta1", "beta2", "epsilon", "conservative", "clip", "distribution",
  "directions", "pool-size", "factors", "blocks", "subspace-rank", "subspace-steps",
  "parallel", "shares", "objective", "maximum-tokens",
]
