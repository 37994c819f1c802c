// SPDX-License-Identifier: Apache-2.0
public import Checkpoints

/// A low-rank adapter to be learned: W x + (alpha / rank) B A x on some projections of each block.
///
/// E. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
public struct LoRAConfiguration: Hashable, Codable, Sendable {
  /// Which factors are learned.
  public enum Factors: String, Codable, CaseIterable, Sendable {
    /// B alone; A is made from the seed and never travels.
    case b
    /// A and B.
    case both
  }

  /// What adapters can begin with.
  public enum Start: String, Codable, CaseIterable, Sendable {
    /// What the weights lost in fewer bits, as nearly as the rank allows (`LoftQ`).
    case loftQ = "loftq"
  }

  /// The ranks that a run can have.
  public static let ranks = 1...1024

  /// The rank of every product B A.
  public let rank: Int
  /// What products are scaled with, times the rank.
  public let alpha: Float
  /// The adapted projections, each once, in canonical order; all of them are all that a model has.
  public let targets: [Projection]
  /// Which factors are learned.
  public let factors: Factors
  /// Where A comes from.
  public let seed: UInt64
  /// What the adapter begins with; nil for B = 0 and A from the seed, with which the model is as it was.
  public let start: Start?

  /// A configuration; `targets` are put into canonical order.
  ///
  /// - Precondition: the rank is positive, alpha is finite, and there is a target.
  public init(
    rank: Int, alpha: Float, targets: [Projection] = Projection.allCases,
    factors: Factors = .b, start: Start? = nil, seed: UInt64
  ) {
    precondition(rank > 0 && alpha.isFinite, "LoRA of rank \(rank) and alpha \(alpha)")
    precondition(!targets.isEmpty, "LoRA on no projection")
    self.rank = rank
    self.alpha = alpha
    self.targets = Projection.allCases.filter(targets.contains)
    self.factors = factors
    self.seed = seed
    self.start = start
  }

  /// Decodes a configuration, which may come from a stranger.
  ///
  /// - Throws: also for a rank that no run can have, an alpha that scales nothing, and no targets.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let rank = try values.decode(Int.self, forKey: .rank)
    let alpha = try values.decode(Float.self, forKey: .alpha)
    let targets = try values.decode([Projection].self, forKey: .targets)
    guard Self.ranks.contains(rank), alpha > 0, alpha.isFinite, !targets.isEmpty else {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath,
          debugDescription: "an adapter of rank \(rank), alpha \(alpha), \(targets.count) targets"))
    }
    self.init(
      rank: rank, alpha: alpha, targets: targets,
      factors: try values.decode(Factors.self, forKey: .factors),
      start: try values.decodeIfPresent(Start.self, forKey: .start),
      seed: try values.decode(UInt64.self, forKey: .seed))
  }

  /// What the product B A is multiplied with.
  public var scale: Float { alpha / Float(rank) }
}
