// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Files
internal import Rounds
internal import Tensors
internal import Training
internal import Updates

/// What a worker learns: a pull of each parameter towards a value of the worker's own.
///
/// Like training, it depends on the worker and on where it starts, and on nothing else.
func pretendedTraining(of worker: Int, from start: ParameterVector) -> TrainingResult {
  let pull = Float(worker * 3 % 7 + 1)
  var delta = start
  for index in delta.values.indices {
    let goal = pull * Float(index * 37 % 17 - 8)
    delta.values[index] = (goal - start.values[index]) * 0.25
  }
  return TrainingResult(
    delta: delta, exampleCount: worker * 10 + 7, tokenCount: 100, loss: Double(pull))
}

/// What a worker learns in a scenario: the pull, or steps whose lengths depend on it.
func pretendedLearning(
  of worker: Int, from start: ParameterVector, version: Int, in scenario: Scenario
) -> TrainingResult {
  let pull = pretendedTraining(of: worker, from: start)
  guard scenario.walks(worker), let rules = scenario.walkRules else { return pull }
  let walk = scenario.walk(of: worker, from: version) { place in
    0.1 * pull.delta.values[place % pull.delta.values.count]
  }
  return TrainingResult(
    delta: rules.change(by: walk, layout: start.layout), exampleCount: pull.exampleCount,
    tokenCount: pull.tokenCount, loss: pull.loss, walk: walk)
}

extension Scenario {
  /// A walk that a worker may have taken from a version.
  ///
  /// - Parameter coefficient: of each term, counted through all steps.
  func walk(of worker: Int, from version: Int, coefficient: (Int) -> Float) -> Walk {
    guard let rules = walkRules else { preconditionFailure("a walk in a run without any") }
    let directions = plan.directions(
      of: workers[worker], from: rules.source, drawnFrom: rules.distribution)
    if let count = rules.source.count {
      // Another part of the pool for each.
      let queries = (0..<min(count, rules.stepCount * rules.queryCount)).map {
        UInt32(($0 + 5 * worker + 3 * version) % count)
      }
      let terms = queries.sorted().enumerated().map {
        DirectionTerm(query: $0.element, coefficient: coefficient($0.offset))
      }
      return Walk(
        key: directions.key, steps: [DirectionStep(step: DirectionSource.poolStep, terms: terms)])
    }
    let steps = (0..<rules.stepCount).map { step in
      DirectionStep(
        step: UInt32(version * rules.stepCount + step),
        terms: (0..<rules.queryCount).map { query in
          DirectionTerm(
            query: UInt32(query), coefficient: coefficient(step * rules.queryCount + query))
        })
    }
    return Walk(key: directions.key, steps: steps)
  }

  /// What a payload of a worker changes, if it can be read as one from `version`.
  func change(in payload: [UInt8], of worker: Int, from version: Int) throws -> ParameterVector {
    guard walks(worker), let rules = walkRules else {
      return try plan.updates.upCodec(from: version).decode(payload, layout: layout)
    }
    let directions = plan.directions(
      of: workers[worker], from: rules.source, drawnFrom: rules.distribution)
    let walk = try rules.walk(
      in: Payload(payload), along: directions.key, from: version, layout: layout)
    return rules.change(by: walk, layout: layout)
  }
}

/// What one worker has learned so far, summed up, to hold against what was counted.
struct Ledger {
  private(set) var sum: [Double]
  private(set) var versions: Set<Int> = []
  /// The largest magnitude on the way here: what rounding is measured by.
  private(set) var scale = 1.0

  init(count: Int) { sum = [Double](repeating: 0, count: count) }

  mutating func learn(_ delta: ParameterVector, from version: Int) throws {
    try require(
      versions.insert(version).inserted, "learned from version \(version), again")
    add(delta.values)
  }

  mutating func add(_ values: [Float]) {
    for index in sum.indices {
      sum[index] += Double(values[index])
      scale = max(scale, abs(Double(values[index])), abs(sum[index]))
    }
  }

  mutating func measure(_ values: [Float]) {
    for value in values { scale = max(scale, abs(Double(value))) }
  }
}
