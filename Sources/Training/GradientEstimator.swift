// SPDX-License-Identifier: Apache-2.0
public import Updates

/// The losses of a step: of the adapter itself, and of it moved along directions and against them.
public struct StepLosses: Hashable, Codable, Sendable {
  /// Those of one query.
  public struct Query: Hashable, Codable, Sendable {
    /// The query.
    public let query: UInt32
    /// With the adapter moved along the direction.
    public let along: Double
    /// With the adapter moved against it; nil if it was not asked for.
    public let against: Double?

    /// Losses by their parts.
    public init(query: UInt32, along: Double, against: Double?) {
      self.query = query
      self.along = along
      self.against = against
    }
  }

  /// With the adapter itself; nil if it was not asked for.
  public let clean: Double?
  /// By query, in the order in which their directions will be added.
  public let queries: [Query]

  /// Losses by their parts.
  public init(clean: Double?, queries: [Query]) {
    self.clean = clean
    self.queries = queries
  }
}

/// The losses of one of several workers in a step, with its weight among them.
public struct WeightedLosses: Hashable, Sendable {
  /// The losses.
  public let losses: StepLosses
  /// How much they count for, as against those of others with the same queries: positive.
  public let weight: Double

  /// Losses with their weight.
  public init(losses: StepLosses, weight: Double) {
    self.losses = losses
    self.weight = weight
  }
}

/// What the losses of a step come to.
public struct GradientEstimate: Hashable, Sendable {
  /// The scalars of the queries that count, whose mean with their directions is the estimate.
  public var scalars: [ProjectedGradient]
  /// How many queries do not count, for want of finite losses.
  public var droppedCount: Int
  /// The loss: with the adapter itself if that is known, else the mean over both sides; nil if
  /// nothing is finite.
  public var loss: Double?
  /// An estimate of the square of the gradient's norm, unbiased with Rademacher directions; nil where
  /// the scalars are no derivatives.
  public var squaredGradientNorm: Double?
}

/// How losses of perturbed adapters become scalars, each to be multiplied with a direction.
public struct GradientEstimator: Hashable, Codable, Sendable {
  /// The ways, by the names of the field.
  public enum Kind: String, CaseIterable, Codable, Sendable {
    /// SPSA: (l+ - l-) / 2e, the derivative along the direction. With one query this is MeZO
    /// (S. Malladi et al., "Fine-Tuning Language Models with Just Forward Passes", 2023, algorithm 1).
    case twoSided = "two-sided"
    /// FZOO: (l+ - l0) / s, where s is the sample standard deviation of all l+ of the step. The
    /// scalars have no unit and are about 1 in size, so that a rate is that of FZOO's formula divided
    /// by its e (S. Dang et al., "FZOO: Fast Zeroth-Order Optimizer for Fine-Tuning Large Language
    /// Models towards Adam-Scale Speed", 2025).
    case oneSided = "one-sided"
    /// 1.5-SPSA: that of SPSA times 1 / max(1, |c|^0.1), where c = (l+ - 2 l0 + l-) / e^2 is the
    /// curvature along the direction.
    case curvatureWeighted = "curvature-weighted"
  }

  /// On which sides of the adapter losses are asked for, by an estimator that has two.
  public enum Sides: CaseIterable, Hashable, Sendable {
    /// Along each direction, then against it.
    case both
    /// Along each direction.
    case along
    /// Against each direction.
    case against
  }

  /// The way.
  public let kind: Kind
  /// How far the adapter is moved: e.
  public let perturbation: Float

  /// An estimator; the perturbation is positive and finite, or the settings are refused.
  public init(_ kind: Kind, perturbation: Float) {
    self.kind = kind
    self.perturbation = perturbation
  }

  /// Whether the loss with the adapter itself is asked for.
  var needsClean: Bool { kind != .twoSided }
  /// Whether the adapter is moved against the directions too.
  var hasTwoSides: Bool { kind != .oneSided }
  /// How many queries there must be.
  public var leastQueryCount: Int { kind == .oneSided ? 2 : 1 }

  /// Whether the sides can be evaluated apart: where nothing is asked for but both of them.
  public var isSplittable: Bool { hasTwoSides && !needsClean }

  /// Where the losses are asked for, as ways from the adapter: it itself, if at all, then along and
  /// against the direction of each query.
  ///
  /// - Precondition: one side alone is asked of an estimator that can be split.
  public func displacements(
    for queries: [UInt32], on sides: Sides = .both
  ) -> [[DirectionTerm]] {
    let ways = ways(on: sides)
    return (needsClean ? [[]] : [])
      + queries.flatMap { query in
        ways.map { [DirectionTerm(query: query, coefficient: $0)] }
      }
  }

  private func ways(on sides: Sides) -> [Float] {
    precondition(sides == .both || isSplittable, "\(sides) of \(kind)")
    return switch sides {
    case .both: hasTwoSides ? [perturbation, -perturbation] : [perturbation]
    case .along: [perturbation]
    case .against: [-perturbation]
    }
  }

  /// How many losses are asked for.
  ///
  /// - Precondition: one side alone is asked of an estimator that can be split.
  public func lossCount(of queryCount: Int, on sides: Sides = .both) -> Int {
    (needsClean ? 1 : 0) + ways(on: sides).count * queryCount
  }

  /// How many queries so many losses are of.
  ///
  /// - Precondition: one side alone was asked of an estimator that can be split.
  public func queryCount(of lossCount: Int, on sides: Sides = .both) -> Int {
    (lossCount - (needsClean ? 1 : 0)) / ways(on: sides).count
  }

  /// The losses at the displacements, each put where it belongs.
  ///
  /// - Precondition: there is one for each.
  public func losses(_ losses: [Double], for queries: [UInt32]) -> StepLosses {
    let (sides, first) = (hasTwoSides ? 2 : 1, needsClean ? 1 : 0)
    precondition(
      losses.count == first + sides * queries.count,
      "\(losses.count) losses for \(queries.count) queries")
    return StepLosses(
      clean: needsClean ? losses[0] : nil,
      queries: queries.enumerated().map { index, query in
        let place = first + sides * index
        return StepLosses.Query(
          query: query, along: losses[place], against: hasTwoSides ? losses[place + 1] : nil)
      })
  }

  /// The losses of both sides, each evaluated by itself; of a side that is nil none is a number, so that
  /// no query counts.
  ///
  /// - Precondition: there is one for each query on each side that there is.
  public func losses(
    along: [Double]?, against: [Double]?, for queries: [UInt32]
  ) -> StepLosses {
    let missing = [Double](repeating: .nan, count: queries.count)
    return losses(
      zip(along ?? missing, against ?? missing).flatMap { [$0, $1] }, for: queries)
  }
}
