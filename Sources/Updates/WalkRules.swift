// SPDX-License-Identifier: Apache-2.0
public import Files
public import Tensors

/// How the workers of a run walk along directions: all that walks are held against, and taken by.
public struct WalkRules: Hashable, Sendable {
  /// Which directions workers walk along.
  public let source: DirectionSource
  /// What the directions are drawn from.
  public let distribution: Directions.Distribution
  /// How steps are applied; what a rule keeps begins anew with each walk.
  public let rule: UpdateRule
  /// The tensors that are moved.
  public let moved: MovedTensors
  /// The most steps of a walk from one version; those from version v are numbered from v times this.
  public let stepCount: Int
  /// The most directions of a step, which are its queries from 0 on.
  public let queryCount: Int

  /// Rules of their parts.
  ///
  /// - Precondition: all counts are from 1 to 2^24, and of a pool the rule keeps nothing.
  public init(
    source: DirectionSource = .own, distribution: Directions.Distribution, rule: UpdateRule,
    moved: MovedTensors, stepCount: Int, queryCount: Int
  ) {
    let counts = 1...(1 << 24)
    precondition(
      counts.contains(stepCount) && counts.contains(queryCount)
        && counts.contains(source.count ?? 1) && (source.count == nil || !rule.hasState),
      "\(stepCount) steps of \(queryCount) queries by \(rule), of directions \(source)")
    self.source = source
    self.distribution = distribution
    self.rule = rule
    self.moved = moved
    self.stepCount = stepCount
    self.queryCount = queryCount
  }

  /// The most terms of a walk.
  private var termCount: Int { min(stepCount * queryCount, source.count ?? .max) }

  /// The most bytes that the file of one walk takes: what to accept before reading it.
  public var maximumPayloadByteCount: Int {
    byteCount(stepCount: source.count == nil ? stepCount : 1, termCount: termCount)
  }

  /// The most bytes that all takes that a pool has learned; 0 without a pool.
  public var maximumPoolByteCount: Int {
    source.count.map { byteCount(stepCount: 1, termCount: $0) } ?? 0
  }

  private func byteCount(stepCount: Int, termCount: Int) -> Int {
    DirectionsUpdate.headerByteCount + DirectionsUpdate.walkHeaderByteCount
      + stepCount * DirectionStep.maximumFrameByteCount
      + termCount * DirectionTerm.maximumByteCount
  }

  // MARK: What a worker sends

  /// The walk in `payload`, which may be anything at all.
  ///
  /// - Throws: unless it is one walk along the directions of `key`, by these rules, from `version`.
  public func walk(
    in payload: Payload, along key: UInt64, from version: Int, layout: ParameterLayout
  ) throws(UpdateError) -> Walk {
    let limit = maximumPayloadByteCount
    guard payload.byteCount <= limit else {
      throw .sequenceLength(limit: limit, found: payload.byteCount)
    }
    let update = try DirectionsUpdate(try storing(payload.bytes), layout: layout)
    guard let walk = update.walks.first, update.walks.count == 1 else {
      throw .walkCount(expected: 1, found: update.walks.count)
    }
    guard walk.key == key else { throw .foreignDirections }
    let poolStep = Int(DirectionSource.poolStep)
    let numbers =
      source.count == nil
      ? (version * stepCount)..<((version + 1) * stepCount) : poolStep..<(poolStep + 1)
    for step in walk.steps {
      guard numbers.contains(Int(step.step)) else { throw .directions("the step") }
      guard step.terms.allSatisfy({ $0.query < source.count ?? queryCount }) else {
        throw .directions("a query")
      }
      guard step.terms.count <= termCount else { throw .directions("the number of terms") }
      guard (step.rate != nil) == rule.hasState else { throw .directions("the rate") }
    }
    return walk
  }

  /// What a walk changes: where it leads to from zero.
  public func change(by walk: Walk, layout: ParameterLayout) -> ParameterVector {
    var replica = ZerothOrderReplica(
      adapter: ParameterVector(zerosOf: layout),
      directions: Directions(key: walk.key, distribution: distribution), rule: rule,
      moved: moved)
    replica.apply(contentsOf: walk.steps)
    return replica.adapter
  }

  // MARK: What a version is made of

  /// The mean of walks, each weighted, times `rate`, as walks to be taken one after the other; as one
  /// where all are along the same directions.
  ///
  /// A coefficient that is too large for a number becomes infinite.
  ///
  /// - Precondition: there are walks, their weights are positive and finite, and the rule keeps
  ///   nothing.
  public func mean(
    of walks: [(walk: Walk, weight: Double)], rate: Double
  ) -> DirectionsUpdate {
    precondition(!walks.isEmpty && !rule.hasState, "a mean of \(walks.count) walks by \(rule)")
    let totalWeight = walks.reduce(0) { $0 + $1.weight }
    let shares = walks.map { (walk: $0.walk, factor: rate * ($0.weight / totalWeight)) }
    return DirectionsUpdate(
      walks: source == .own
        ? shares.map { $0.walk.scaled(by: $0.factor) } : [Walk.merged(shares)])
  }

  /// Takes the walks of `update`: the same bits wherever the adapter was the same.
  ///
  /// - Throws: when a step has a rate, which none has that a version is made of.
  public func follow(
    _ update: DirectionsUpdate, _ adapter: inout ParameterVector
  ) throws(UpdateError) {
    for walk in update.walks {
      let directions = Directions(key: walk.key, distribution: distribution)
      guard walk.steps.allSatisfy({ $0.rate == nil }) else { throw .directions("the rate") }
      adapter.add(walk.steps, along: directions, to: moved)
    }
  }
}
