// SPDX-License-Identifier: Apache-2.0
public import Updates

/// What the losses of the last steps say about the gradient, the noise, and the learning rate.
///
/// It costs nothing but sums: slopes along random directions are computed anyway. With g the slope
/// along a direction z of independent elements of mean 0 and variance 1, and d the number of values
/// that are moved:
///
/// - E[g^2] = |gradient|^2, whatever d is. So the mean of squares is unbiased for the batch's
///   gradient. That is larger than the data's by the variance of a batch; with slopes g1 and g2 on two
///   halves of the batch, which are other examples, E[g1 g2] is the data's alone. Their correlation
///   sum g1 g2 / sqrt(sum g1^2 sum g2^2) is near 1 where the batch says what the data says, and near
///   0 where it says nothing.
/// - The mean of g z over n directions has the expected squared length
///   (d + n - 1) / n |gradient|^2 (Malladi et al., "Fine-Tuning Language Models with Just Forward
///   Passes", 2023, lemma 2), of which |gradient|^2 are the gradient's own and the rest is noise: a
///   ratio of signal to noise of n / (d - 1).
/// - A step that moves the adapter by c along z, for some directions, lowers the loss by the sum of
///   -c g to first order: what is predicted. What is measured falls short of it by the curvature.
///
/// A query that was dropped has no slope, and is not taken for one of zero.
public struct GradientDiagnostics: Hashable, Codable, Sendable {
  /// How many steps are remembered.
  public static let windowLength = 50

  /// How many values are moved.
  let valueCount: Int
  /// How estimates become steps.
  let rule: UpdateRule
  /// The last steps.
  private(set) var records: [Record] = []
  /// What a step along the velocity gains, relative to the rate, while the gradient stays as it is.
  private var momentum = 0.0

  /// Diagnostics of no step yet.
  ///
  /// - Parameter valueCount: how many values of the adapter are moved.
  public init(valueCount: Int, rule: UpdateRule) {
    precondition(valueCount > 0, "diagnostics of \(valueCount) values")
    self.valueCount = valueCount
    self.rule = rule
  }

  /// What a step gave.
  public struct Step: Hashable, Sendable {
    /// What its queries said, before anything was clipped; none for queries that were dropped.
    public var slopes: [QuerySlope]
    /// What was made of it.
    public var taken: DirectionStep
    /// The learning rate.
    public var learningRate: Double
    /// The loss before the step; nil if it is not known.
    public var loss: Double?
    /// How many queries were dropped.
    public var droppedCount: Int
    /// How many were clipped.
    public var clippedCount: Int

    /// A step by its parts.
    public init(
      slopes: [QuerySlope], taken: DirectionStep, learningRate: Double, loss: Double?,
      droppedCount: Int = 0, clippedCount: Int = 0
    ) {
      self.slopes = slopes
      self.taken = taken
      self.learningRate = learningRate
      self.loss = loss
      self.droppedCount = droppedCount
      self.clippedCount = clippedCount
    }
  }

  /// Takes in a step, and forgets the one that leaves the window.
  public mutating func note(_ step: Step) {
    var record = Record(
      loss: step.loss.flatMap { $0.isFinite ? $0 : nil }, learningRate: step.learningRate,
      droppedCount: step.droppedCount, clippedCount: step.clippedCount)
    for slope in step.slopes { record.note(slope) }
    record.gain = gain(of: step)
    records.append(record)
    records.removeFirst(max(0, records.count - Self.windowLength))
  }

  /// These diagnostics of a version's steps, behind those of the versions before.
  ///
  /// What the loss did between two versions is left out: there the adapter moved by what others
  /// learned, too.
  public func following(_ earlier: GradientDiagnostics) -> GradientDiagnostics {
    var both = self
    if !both.records.isEmpty { both.records[0].isFirst = true }
    both.records = Array((earlier.records + both.records).suffix(Self.windowLength))
    return both
  }

  /// By how much a step lowers its batch's loss, to first order; nil for a rule whose steps are no
  /// multiples of slopes.
  private mutating func gain(of step: Step) -> Double? {
    let slopes = Dictionary(
      step.slopes.filter(\.slope.isFinite).map { ($0.query, $0.slope) }, uniquingKeysWith: { $1 })
    let sum = step.taken.terms.reduce(0.0) { sum, term in
      slopes[term.query].map { sum + Double(term.coefficient) * $0 } ?? sum
    }
    switch rule {
    case .sgd, .sign: return -sum
    case .momentum(let beta):
      momentum = beta * momentum + sum
      return step.learningRate * momentum
    case .adam: return nil
    }
  }

  /// The sums over a step's queries: slopes are s, and g and h on the halves.
  struct Record: Hashable, Codable, Sendable {
    /// The loss before the step.
    var loss: Double?
    var learningRate: Double
    /// Whether it is the first of a version, and others are before it.
    var isFirst = false
    var droppedCount: Int
    var clippedCount: Int
    /// Queries with finite losses whose difference is not.
    var notFiniteCount = 0
    /// The decrease of the batch's loss, to first order.
    var gain: Double?
    /// s^2 and s^4, over all queries.
    var slopes = Moments()
    /// s^2 and s^4, g h and its square, s^2 g h: over queries whose halves are known.
    var halved = Moments()
    var products = 0.0
    var squaredProducts = 0.0
    var mixedProducts = 0.0
    /// g^2 and h^2.
    var halfSquares = BatchLoss.Halves(first: 0, second: 0)

    struct Moments: Hashable, Codable, Sendable {
      var count = 0
      var squares = 0.0
      var fourths = 0.0

      mutating func note(_ slope: Double) {
        count += 1
        squares += slope * slope
        fourths += slope * slope * slope * slope
      }
    }

    mutating func note(_ query: QuerySlope) {
      // Squares of squares have to be finite, too.
      guard abs(query.slope) < largestSlope else { return notFiniteCount += 1 }
      slopes.note(query.slope)
      guard let halves = query.halves, abs(halves.first) < largestSlope,
        abs(halves.second) < largestSlope
      else { return }
      halved.note(query.slope)
      let (square, product) = (query.slope * query.slope, halves.first * halves.second)
      products += product
      squaredProducts += product * product
      mixedProducts += square * product
      halfSquares.first += halves.first * halves.first
      halfSquares.second += halves.second * halves.second
    }
  }
}

private let largestSlope = 1e70
