// SPDX-License-Identifier: Apache-2.0

/// What a query said about the gradient: the loss's derivative along its direction.
public struct QuerySlope: Hashable, Codable, Sendable {
  /// The query.
  public var query: UInt32
  /// The derivative of the batch's loss.
  public var slope: Double
  /// The derivatives of the losses of the batch's halves; nil where they are not known.
  public var halves: BatchLoss.Halves?

  /// A slope by its parts.
  public init(query: UInt32, slope: Double, halves: BatchLoss.Halves? = nil) {
    self.query = query
    self.slope = slope
    self.halves = halves
  }
}

extension GradientEstimator {
  /// The derivatives along the directions of the queries whose losses are finite.
  ///
  /// Where only one side is known, the difference to the loss of the adapter itself stands for them,
  /// which is off by half the perturbation times the curvature along the direction.
  ///
  /// - Parameter losses: those at the displacements, each put where it belongs.
  /// - Precondition: there is one for each.
  func slopes(_ losses: [BatchLoss], for queries: [UInt32]) -> [QuerySlope] {
    let whole = self.losses(losses.map(\.mean), for: queries)
    let halves = losses.compactMap(\.halves)
    let isHalved = halves.count == losses.count
    let first = isHalved ? self.losses(halves.map(\.first), for: queries).queries : []
    let second = isHalved ? self.losses(halves.map(\.second), for: queries).queries : []
    let cleanHalves = needsClean && isHalved ? halves[0] : nil
    return queries.indices.compactMap { index in
      let found = whole.queries[index]
      guard found.along.isFinite, (found.against ?? 0).isFinite, (whole.clean ?? 0).isFinite else {
        return nil
      }
      let slope = derivative(found, clean: whole.clean)
      guard isHalved else { return QuerySlope(query: queries[index], slope: slope) }
      return QuerySlope(
        query: queries[index], slope: slope,
        halves: BatchLoss.Halves(
          first: derivative(first[index], clean: cleanHalves?.first),
          second: derivative(second[index], clean: cleanHalves?.second)))
    }
  }

  /// The derivatives along the directions of the queries whose losses are finite, as several workers
  /// evaluated them, each on examples of its own.
  ///
  /// Of a query that more than one of them has, the first half of the workers and the others stand for
  /// the halves of the batch.
  public func slopes(_ parts: [WeightedLosses]) -> [QuerySlope] {
    var found: [UInt32: [(slope: Double, weight: Double)]] = [:]
    for part in parts {
      for query in part.losses.queries
      where query.along.isFinite && (query.against ?? 0).isFinite
        && (part.losses.clean ?? 0).isFinite
      {
        let slope = derivative(query, clean: part.losses.clean)
        found[query.query, default: []].append((slope, part.weight))
      }
    }
    func mean(_ slopes: some Collection<(slope: Double, weight: Double)>) -> Double {
      slopes.reduce(0) { $0 + $1.slope * $1.weight } / slopes.reduce(0) { $0 + $1.weight }
    }
    return found.sorted { $0.key < $1.key }.map { query, slopes in
      let middle = slopes.count / 2
      return QuerySlope(
        query: query, slope: mean(slopes),
        halves: middle == 0
          ? nil
          : BatchLoss.Halves(first: mean(slopes[..<middle]), second: mean(slopes[middle...])))
    }
  }

  private func derivative(_ losses: StepLosses.Query, clean: Double?) -> Double {
    hasTwoSides
      ? slope(losses) : (losses.along - (clean ?? .nan)) / Double(perturbation)
  }
}
