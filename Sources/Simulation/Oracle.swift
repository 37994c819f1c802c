// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Randomness
internal import Rounds
internal import Tensors
internal import Training
internal import Updates

/// What the adapter must be, computed again from the contributions alone and as plainly as can be.
struct Oracle {
  private let plan: UpdatePlan
  private let walkRules: WalkRules?
  private(set) var adapter: ParameterVector
  private(set) var replica: ParameterVector
  /// Version 0, and what each direction of a pool has come to.
  private let origin: ParameterVector
  private var pool: [Address: Float] = [:]
  private let blockCount: Int
  private let subspace: ZerothOrderTraining.Subspace?
  private var first: [Double]
  private var second: [Double]
  /// The digests of the adapter and of what workers hold, by version.
  private(set) var adapters: [Digest]
  private(set) var replicas: [Digest]

  var version: Int { adapters.count - 1 }

  init(_ scenario: Scenario) {
    let initialAdapter = scenario.initialAdapter
    plan = scenario.plan.updates
    origin = initialAdapter
    blockCount = scenario.plan.training.zerothOrder?.blockCount ?? 1
    subspace = scenario.plan.training.zerothOrder?.subspace
    walkRules = scenario.walkRules
    adapter = initialAdapter
    replica = initialAdapter
    adapters = [initialAdapter.digest]
    replicas = adapters
    let count = initialAdapter.values.count
    first = [Double](repeating: 0, count: count)
    second = first
    switch plan.server {
    case .sgd: break
    case .adam(_, _, _, let tau), .yogi(_, _, _, let tau):
      second = [Double](repeating: Double(Float(tau * tau)), count: count)
    case .adagrad(_, let tau):
      first = [Double](repeating: Double(Float(tau * tau)), count: count)
    }
  }

  /// The next version, made of the workers' payloads with their weights, in the workers' order.
  mutating func commit(
    _ contributions: [(contribution: Contribution, payload: [UInt8])]
  ) throws {
    let sorted = contributions.sorted { $0.contribution.worker < $1.contribution.worker }
    let walks = try sorted.map { try walk(in: $0.payload) }
    let weights = sorted.map { Double($0.contribution.exampleCount) }
    if plan.steps == .upAndDown {
      follow(walks, weights)
    } else {
      let codec = plan.upCodec(from: version)
      let changes = try zip(sorted, walks).map { one, walk in
        walk == nil ? try codec.decode(one.payload, layout: adapter.layout) : nil
      }
      let both = [mean(of: changes, weights), mean(of: walks.map(change), weights)]
      for index in adapter.values.indices {
        let delta = both.compactMap { $0?[index] }.reduce(0, +)
        step(index, along: Double(delta))
      }
    }
    if plan.down == .dense {
      replica = adapter
    } else {
      var difference = adapter
      for index in difference.values.indices { difference.values[index] -= replica.values[index] }
      let sent = try plan.down.encode(difference, seed: Seed(0)).payload
      let change = try plan.down.decode(sent, layout: replica.layout)
      for index in replica.values.indices { replica.values[index] += change.values[index] }
    }
    adapters.append(adapter.digest)
    replicas.append(replica.digest)
  }

  /// The walk in a payload that has one.
  private func walk(in payload: [UInt8]) throws -> Walk? {
    guard walkRules != nil, payload.starts(with: Array("TRND".utf8)) else { return nil }
    return try DirectionsUpdate(payload, layout: adapter.layout).walks[0]
  }

  /// What a walk changes, step by step from zero.
  private func change(by walk: Walk?) -> ParameterVector? {
    guard let walk else { return nil }
    var change = ParameterVector(zerosOf: adapter.layout)
    add(walk, times: nil, to: &change)
    return change
  }

  /// The weighted mean of those that are there; nil if none is.
  private func mean(of changes: [ParameterVector?], _ weights: [Double]) -> [Float]? {
    var sums = [Double](repeating: 0, count: adapter.values.count)
    var total = 0.0
    for case (let change?, let weight) in zip(changes, weights) {
      total += weight
      for index in sums.indices { sums[index] += weight * Double(change.values[index]) }
    }
    return total > 0 ? sums.map { Float($0 / total) } : nil
  }

  /// Takes all steps of walks, each as long as its share and the server's rate make it.
  private mutating func follow(_ walks: [Walk?], _ weights: [Double]) {
    guard case .sgd(let rate, _) = plan.server else { return }
    let total = weights.reduce(0, +)
    guard let source = walkRules?.source, source != .own else {
      for case (let walk?, let weight) in zip(walks, weights) {
        add(walk, times: rate * (weight / total), to: &adapter)
      }
      return
    }
    // All along the same directions, of which each is taken once.
    var sums: [Address: Double] = [:]
    for case (let walk?, let weight) in zip(walks, weights) {
      for step in walk.steps {
        for term in step.terms {
          sums[Address(step: step.step, query: term.query), default: 0] +=
            Double(term.coefficient) * (rate * (weight / total))
        }
      }
    }
    var coefficients = sums.mapValues { Float($0) }
    if source.count != nil {
      pool.merge(coefficients) { Float(Double($0) + Double($1)) }
      (coefficients, adapter) = (pool, origin)
    }
    let directions = Directions(key: walks.lazy.compactMap { $0?.key }.first ?? 0)
    for (address, coefficient) in coefficients.sorted(by: { $0.key < $1.key }) {
      move(&adapter, along: directions, at: address, times: coefficient)
    }
  }

  /// Moves the tensors whose turn it is; each tensor is a layer of its own.
  private func move(
    _ vector: inout ParameterVector, along directions: Directions, at address: Address,
    times coefficient: Float
  ) {
    let direction = directions.direction(step: address.step, query: address.query)
    let entries = vector.layout.entries
    for (layer, entry) in entries.enumerated()
    where layer * blockCount / entries.count == Int(address.step) % blockCount {
      if let subspace {
        move(
          &vector, columns(subspace, vector.layout, atStep: Int(address.step)), of: layer,
          along: direction, times: coefficient)
      } else {
        vector.add(direction, times: coefficient, in: entry.range)
      }
    }
  }

  private func columns(
    _ subspace: ZerothOrderTraining.Subspace, _ layout: ParameterLayout, atStep step: Int
  ) -> Range<Int> {
    let rank = layout.entries[0].shape[1]
    let stageCount = (rank + subspace.rank - 1) / subspace.rank
    let first = step / subspace.stepCount % stageCount * subspace.rank
    return first..<min(rank, first + subspace.rank)
  }

  /// Moves columns of a tensor along the direction of one that has no others.
  private func move(
    _ vector: inout ParameterVector, _ columns: Range<Int>, of tensor: Int,
    along direction: Direction, times coefficient: Float
  ) {
    let narrow = ParameterLayout(
      vector.layout.entries.map { ($0.name, [$0.shape[0], columns.count]) })
    let change = ParameterVector(zerosOf: narrow).adding(direction, times: coefficient)
    let (from, to) = (narrow.entries[tensor], vector.layout.entries[tensor])
    for row in 0..<to.shape[0] {
      for (index, column) in columns.enumerated() {
        vector.values[to.offset + row * to.shape[1] + column] +=
          change.values[from.offset + row * columns.count + index]
      }
    }
  }

  /// Where a direction stands.
  struct Address: Hashable, Comparable {
    let step: UInt32
    let query: UInt32

    static func < (left: Address, right: Address) -> Bool {
      (left.step, left.query) < (right.step, right.query)
    }
  }

  private func add(_ walk: Walk, times factor: Double?, to vector: inout ParameterVector) {
    let directions = Directions(key: walk.key)
    for step in walk.steps {
      for term in step.terms {
        move(
          &vector, along: directions, at: Address(step: step.step, query: term.query),
          times: factor.map { Float(Double(term.coefficient) * $0) } ?? term.coefficient)
      }
    }
  }

  /// One element's step, by the formulas of ``ServerOptimizerRule``, written a second time.
  private mutating func step(_ index: Int, along delta: Double) {
    let amount: Double
    switch plan.server {
    case .sgd(let rate, let momentum):
      first[index] = momentum * first[index] + delta
      amount = rate * first[index]
    case .adam(let rate, let beta1, let beta2, let tau):
      first[index] = beta1 * first[index] + (1 - beta1) * delta
      second[index] = beta2 * second[index] + (1 - beta2) * (delta * delta)
      amount = rate * first[index] / (second[index].squareRoot() + tau)
    case .yogi(let rate, let beta1, let beta2, let tau):
      first[index] = beta1 * first[index] + (1 - beta1) * delta
      let square = delta * delta
      let sign = second[index] > square ? 1.0 : second[index] < square ? -1 : 0
      second[index] -= sign * ((1 - beta2) * square)
      amount = rate * first[index] / (second[index].squareRoot() + tau)
    case .adagrad(let rate, let tau):
      first[index] += delta * delta
      amount = rate * delta / (first[index].squareRoot() + tau)
    }
    adapter.values[index] = Float(Double(adapter.values[index]) + amount)
    first[index] = Double(Float(first[index]))
    second[index] = Double(Float(second[index]))
  }
}

extension Oracle {
  /// The undisturbed run: each version of what every worker learns from the one before.
  static func undisturbed(_ scenario: Scenario) throws -> Oracle {
    let updates = scenario.plan.updates
    var oracle = Oracle(scenario)
    var feedbacks = scenario.workers.map { _ in ErrorFeedback(layout: scenario.layout) }
    for version in 0..<scenario.plan.rounds.versionCount {
      let contributions = try scenario.workers.enumerated().map { index, worker in
        let result = pretendedLearning(
          of: index, from: oracle.replica, version: version, in: scenario)
        let payload =
          try result.walk.map {
            DirectionsUpdate(walks: [$0]).payload(for: scenario.layout)
          }
          ?? feedbacks[index].compress(
            result.delta, with: updates.upCodec(from: version),
            seed: Seed(scenario.plan.seed).derived("update of \(worker)", UInt64(version))
          ).payload
        let contribution = Contribution(
          round: 1, baseVersion: version, worker: worker, payload: Digest(of: payload),
          exampleCount: result.exampleCount)
        return (contribution: contribution, payload: payload)
      }
      try oracle.commit(contributions)
    }
    return oracle
  }
}
