// SPDX-License-Identifier: Apache-2.0
internal import Updates

/// What becomes of losses.
extension GradientEstimator {
  /// What the losses come to.
  ///
  /// A query with a loss that is infinite or not a number is left out, and
  /// counted; all are if the loss with the adapter itself is one and is needed.
  ///
  /// - Precondition: the losses are those that this estimator asks for.
  public func estimate(_ losses: StepLosses) -> GradientEstimate {
    estimate([WeightedLosses(losses: losses, weight: 1)])
  }

  /// What the losses of several workers come to, each on examples of its own.
  ///
  /// Losses are compared with those of the same worker only: examples differ in difficulty. Scalars of
  /// the same query are averaged with the workers' weights.
  ///
  /// - Precondition: the losses are those that this estimator asks for, and weights are positive.
  public func estimate(_ parts: [WeightedLosses]) -> GradientEstimate {
    let usable = parts.map { part in
      (losses: part.losses, weight: part.weight, queries: usableQueries(of: part.losses))
    }
    let deviation = kind == .oneSided ? self.deviation(of: usable.map(\.queries)) : 0
    let queries = order(of: parts)
    var scalars: [UInt32: WeightedSum] = [:]
    var slopes: [UInt32: WeightedSum] = [:]
    for part in usable {
      for query in part.queries {
        if hasTwoSides {
          slopes[query.query, default: WeightedSum()].add(slope(query), part.weight)
        }
        guard let value = scalar(of: query, clean: part.losses.clean, deviation: deviation) else {
          continue
        }
        scalars[query.query, default: WeightedSum()].add(value, part.weight)
      }
    }
    var loss = WeightedSum()
    for part in usable {
      if let value = self.loss(part.losses, part.queries) { loss.add(value, part.weight) }
    }
    let means = queries.compactMap { slopes[$0]?.mean }
    return GradientEstimate(
      scalars: queries.compactMap { query in
        (scalars[query]?.mean).map { ProjectedGradient(query: query, value: $0) }
      },
      droppedCount: zip(parts, usable).reduce(0) { count, pair in
        count + pair.0.losses.queries.count
          - (kind == .oneSided && deviation == nil ? 0 : pair.1.queries.count)
      },
      loss: loss.mean,
      squaredGradientNorm: means.isEmpty
        ? nil : means.reduce(0) { $0 + $1 * $1 } / Double(means.count))
  }

  /// The queries in the order in which they were asked for first.
  private func order(of parts: [WeightedLosses]) -> [UInt32] {
    var seen: Set<UInt32> = []
    return parts.flatMap(\.losses.queries).map(\.query).filter { seen.insert($0).inserted }
  }

  private func usableQueries(of losses: StepLosses) -> [StepLosses.Query] {
    losses.queries.filter {
      $0.along.isFinite && ($0.against ?? 0).isFinite
        && (!needsClean || losses.clean?.isFinite ?? false)
    }
  }

  /// Nil without a deviation to divide by.
  private func scalar(
    of query: StepLosses.Query, clean: Double?, deviation: Double?
  ) -> Double? {
    switch kind {
    case .twoSided: slope(query)
    case .oneSided: deviation.map { (query.along - (clean ?? 0)) / $0 }
    case .curvatureWeighted:
      weight(curvature: curvature(query, clean: clean ?? 0)) * slope(query)
    }
  }

  /// The derivative along the direction, by the difference over both sides.
  func slope(_ losses: StepLosses.Query) -> Double {
    guard let against = losses.against else { preconditionFailure("one side of two") }
    return (losses.along - against) / (2 * Double(perturbation))
  }

  private func curvature(_ losses: StepLosses.Query, clean: Double) -> Double {
    guard let against = losses.against else { preconditionFailure("one side of two") }
    let e = Double(perturbation)
    return (losses.along - 2 * clean + against) / (e * e)
  }

  private func weight(curvature: Double) -> Double {
    abs(curvature) > 1 ? 1 / tenthRoot(of: abs(curvature)) : 1
  }

  /// The sample standard deviation of the losses along the directions, within each worker's; nil when
  /// there is none, or too few losses for one.
  private func deviation(of parts: [[StepLosses.Query]]) -> Double? {
    var (squares, freedom) = (0.0, 0)
    for queries in parts where !queries.isEmpty {
      let mean = queries.reduce(0) { $0 + $1.along } / Double(queries.count)
      squares += queries.reduce(0) { $0 + ($1.along - mean) * ($1.along - mean) }
      freedom += queries.count - 1
    }
    let deviation = freedom > 0 ? (squares / Double(freedom)).squareRoot() : 0
    return deviation > 0 ? deviation : nil
  }

  private func loss(_ losses: StepLosses, _ usable: [StepLosses.Query]) -> Double? {
    if let clean = losses.clean { return clean.isFinite ? clean : nil }
    guard !usable.isEmpty else { return nil }
    let sum = usable.reduce(0) { $0 + ($1.along + ($1.against ?? $1.along)) / 2 }
    return sum / Double(usable.count)
  }
}

/// The tenth root of a number from 1 on, by arithmetic alone: the same bits everywhere.
func tenthRoot(of x: Double) -> Double {
  // Newton's method for r^10 = x, from above: x < 2^(exponent + 1) is no more than the start's.
  var root = Double(sign: .plus, exponent: Int(x.exponent) / 10 + 1, significand: 1)
  while true {
    let cube = root * root * root
    let next = root - (root - x / (cube * cube * cube)) / 10
    guard next < root else { return root }
    root = next
  }
}

/// A weighted mean in the making; of one value it is that value, bit for bit.
private struct WeightedSum {
  private var only: Double?
  private var sum = 0.0
  private var weights = 0.0

  mutating func add(_ value: Double, _ weight: Double) {
    only = weights == 0 ? value : nil
    sum += value * weight
    weights += weight
  }

  var mean: Double? { only ?? (weights > 0 ? sum / weights : nil) }
}
