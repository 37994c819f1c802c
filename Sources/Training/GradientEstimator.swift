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
  var leastQueryCount: Int { kind == .oneSided ? 2 : 1 }

  /// Where the losses are asked for, as ways from the adapter: it itself, if at all, then along and
  /// against the direction of each query.
  public func displacements(for queries: [UInt32]) -> [[DirectionTerm]] {
    (needsClean ? [[]] : [])
      + queries.flatMap { query in
        (hasTwoSides ? [perturbation, -perturbation] : [perturbation]).map {
          [DirectionTerm(query: query, coefficient: $0)]
        }
      }
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

  /// What the losses come to.
  ///
  /// A query with a loss that is infinite or not a number is left out, and
  /// counted; all are if the loss with the adapter itself is one and is needed.
  ///
  /// - Precondition: the losses are those that this estimator asks for.
  public func estimate(_ losses: StepLosses) -> GradientEstimate {
    let usable = losses.queries.filter {
      $0.along.isFinite && ($0.against ?? 0).isFinite
        && (!needsClean || losses.clean?.isFinite ?? false)
    }
    let scalars: [ProjectedGradient]
    switch kind {
    case .twoSided: scalars = usable.map { ProjectedGradient(query: $0.query, value: slope($0)) }
    case .oneSided: scalars = standardized(usable, clean: losses.clean ?? 0)
    case .curvatureWeighted:
      scalars = usable.map {
        let weight = weight(curvature: curvature($0, clean: losses.clean ?? 0))
        return ProjectedGradient(query: $0.query, value: weight * slope($0))
      }
    }
    let slopes = hasTwoSides ? usable.map(slope) : []
    return GradientEstimate(
      scalars: scalars, droppedCount: losses.queries.count - scalars.count,
      loss: loss(losses, usable),
      squaredGradientNorm: slopes.isEmpty
        ? nil : slopes.reduce(0) { $0 + $1 * $1 } / Double(slopes.count))
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

  /// None when there is no deviation, or too few losses for one.
  private func standardized(
    _ usable: [StepLosses.Query], clean: Double
  ) -> [ProjectedGradient] {
    guard usable.count > 1 else { return [] }
    let mean = usable.reduce(0) { $0 + $1.along } / Double(usable.count)
    let squares = usable.reduce(0) { $0 + ($1.along - mean) * ($1.along - mean) }
    let deviation = (squares / Double(usable.count - 1)).squareRoot()
    guard deviation > 0 else { return [] }
    return usable.map {
      ProjectedGradient(query: $0.query, value: ($0.along - clean) / deviation)
    }
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
