// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Training
internal import Updates

extension Section {
  /// The section `updates`, whose codecs depend on how workers learn.
  func updates(for training: TrainingPlan) throws(RunFileError) -> UpdatePlan {
    let section = try section("updates", known: ["up", "opening", "down", "server"])
    let server = try section.serverRule()
    let steps = try section.stepTravel(for: training, server)
    let opening = try section.section("opening", known: codecKeys + ["versions", "memory"])
    if steps != .asChanges, training.gradient == nil, section.has("opening") {
      throw .badValue(
        key: opening.path, value: "another codec",
        expected: "none where up is 'directions', of which nothing is left out")
    }
    return UpdatePlan(
      up: try section.codec("up", known: ["memory"], standard: "ternary"),
      opening: try section.codec("opening", known: ["versions", "memory"], standard: "ternary"),
      openingVersionCount: try opening.integer("versions", 0, in: 0...1_000_000),
      down: try section.codec("down", known: [], standard: "dense"), server: server, steps: steps)
  }

  /// How a worker of a mixed run learns, if its place in the file says it.
  func workerMethod(in training: TrainingPlan) throws(RunFileError) -> TrainingMethod? {
    guard has("method") else { return nil }
    let method = try choice(
      "method", TrainingMethod.gradient,
      from: TrainingMethod.allCases.map { ($0.rawValue, $0) })
    guard case .mixed = training else {
      throw .badValue(
        key: name(of: "method"), value: method.rawValue,
        expected: "none where 'training.method' is not 'mixed'")
    }
    return method
  }

  /// Where 'directions' is what 'up' and 'down' say, or do not contradict.
  private func stepTravel(
    for training: TrainingPlan, _ server: ServerOptimizerRule
  ) throws(RunFileError) -> StepTravel {
    let up = try directionsChoice("up", known: ["memory"])
    let down = try directionsChoice("down", known: [])
    let obstacle = obstacle(to: training, server, up: up)
    if down == true, let obstacle { throw refusal("down", expected: obstacle) }
    switch training {
    case .gradient:
      guard up != true else {
        throw refusal("up", expected: "dense or ternary: gradients have no directions")
      }
      return .asChanges
    case .mixed:
      guard up != true else {
        throw refusal(
          "up",
          expected: "dense or ternary, for workers that learn by gradients: the others send "
            + "directions always")
      }
      return .up
    case .zerothOrder(let settings):
      guard up != false else { return .asChanges }
      let byteCount = settings.walkByteCount
      guard byteCount <= DirectionsUpdate.byteLimit else {
        throw refusal(
          "up", expected: "dense or ternary: a worker's steps may take \(byteCount) bytes")
      }
      return obstacle == nil && down != false ? .upAndDown : .up
    }
  }

  /// Why a version cannot be told as a list of steps, as what is expected instead; nil if it can.
  private func obstacle(
    to training: TrainingPlan, _ server: ServerOptimizerRule, up: Bool?
  ) -> String? {
    guard case .zerothOrder(let settings) = training else {
      return "dense or ternary where anybody learns by gradients"
    }
    if up == false { return "dense or ternary where up is not 'directions'" }
    if settings.rule.hasState {
      return "dense or ternary where 'training.rule' is not sgd or sign"
    }
    guard case .sgd(_, momentum: 0) = server else {
      return "dense or ternary where 'updates.server' is not sgd without momentum"
    }
    return nil
  }

  private func refusal(_ key: String, expected: String) -> RunFileError {
    .badValue(key: "\(name(of: key)).codec", value: "directions", expected: expected)
  }

  /// Whether the codec is 'directions'; nil when nothing says what it is.
  private func directionsChoice(_ key: String, known: [String]) throws(RunFileError) -> Bool? {
    let section = try section(key, known: codecKeys + known)
    let ternaryKeys = ["density", "memory"]
    guard let codec = try section.string("codec") else {
      return ternaryKeys.contains(where: section.has) ? false : nil
    }
    guard codec == "directions" else { return false }
    for key in ternaryKeys where section.has(key) {
      throw .badValue(
        key: section.name(of: key), value: try section.string(key) ?? "",
        expected: "none where the codec is 'directions', of which nothing is left out")
    }
    return true
  }

  /// The codec of changes; 'directions' is none, and leaves the standard.
  private func codec(
    _ key: String, known: [String], standard: String
  ) throws(RunFileError) -> UpdateCodec {
    let section = try section(key, known: codecKeys + known)
    let density = try section.number("density", 0.05, in: 1e-6...1)
    let remembers =
      try known.contains("memory")
      ? section.choice("memory", true, from: [("residual", true), ("none", false)]) : true
    let ternary =
      remembers ? UpdateCodec.ternary(density: density) : .stochasticTernary(density: density)
    let usual = standard == "dense" ? .dense : ternary
    let choices = [("dense", .dense), ("ternary", ternary), ("directions", usual)]
    return try section.choice("codec", usual, from: key == "opening" ? choices.dropLast() : choices)
  }

  private func serverRule() throws(RunFileError) -> ServerOptimizerRule {
    let section = try section(
      "server", known: ["optimizer", "learning-rate", "momentum", "beta1", "beta2", "tau"])
    let isAdaptive = try section.string("optimizer").map { $0 != "sgd" } ?? false
    let rate = try section.number("learning-rate", isAdaptive ? 0.01 : 1, in: 1e-12...1e6)
    let beta1 = try section.number("beta1", 0.9, in: 0...0.999999)
    let beta2 = try section.number("beta2", 0.99, in: 0...0.999999)
    let tau = try section.number("tau", 1e-3, in: 1e-12...1e3)
    let momentum = try section.number("momentum", 0, in: 0...0.999999)
    return try section.choice(
      "optimizer", .sgd(learningRate: rate, momentum: momentum),
      from: [
        ("sgd", .sgd(learningRate: rate, momentum: momentum)),
        ("adam", .adam(learningRate: rate, beta1: beta1, beta2: beta2, tau: tau)),
        ("yogi", .yogi(learningRate: rate, beta1: beta1, beta2: beta2, tau: tau)),
        ("adagrad", .adagrad(learningRate: rate, tau: tau)),
      ])
  }
}

private let codecKeys = ["codec", "density"]

extension ZerothOrderTraining {
  /// The most bytes that a worker's steps from one version take.
  fileprivate var walkByteCount: Int {
    WalkRules(
      source: source, distribution: distribution, rule: rule, moved: .all, stepCount: localSteps,
      queryCount: queryCount
    ).maximumPayloadByteCount
  }
}
