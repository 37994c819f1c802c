// SPDX-License-Identifier: Apache-2.0
public import Models
internal import Randomness
internal import Tensors
public import Training
internal import Updates

/// How well differences of two losses say what the derivative along a direction is: by the size of
/// the perturbation, and by what frozen weights are multiplied in.
///
/// Two things are in the way. The loss bends, which tells less the smaller the perturbation is; and
/// losses are rounded, which tells less the larger it is, and more of bfloat16 than of floats.
public struct PrecisionBenchmark: Sendable {
  /// What was measured with one perturbation.
  public struct Row: Encodable, Sendable {
    /// How far the adapter was moved to both sides.
    public var perturbation: Float
    /// What products of weights were made of.
    public var compute: String
    /// The root of the mean square of the error, relative to that of the derivatives.
    public var relativeError: Double
  }

  /// What was measured.
  public struct Report: Encodable, Sendable {
    /// How many examples the losses were of.
    public var examples: Int
    /// How many directions there were.
    public var queries: Int
    /// The root of the mean square of the derivatives, as backpropagation in floats has them.
    public var derivative: Double
    /// By arithmetic, then by perturbation.
    public var rows: [Row]
  }

  private let base: DecoderModel
  private let lora: LoRAConfiguration
  private let batch: TokenBatch
  private let exampleCount: Int
  private let perturbations: [Float]
  private let queries: [UInt32]
  private let threadCount: Int

  /// A benchmark on the first `batchSize` of some examples.
  ///
  /// - Parameters:
  ///   - rank: the rank of the adapter, of which B is moved.
  ///   - perturbations: how far, each positive.
  /// - Precondition: there are directions and perturbations.
  public init(
    base: DecoderModel, examples: ExampleSet, batchSize: Int, rank: Int, perturbations: [Float],
    queryCount: Int, threadCount: Int
  ) {
    precondition(queryCount > 0 && !perturbations.isEmpty, "nothing to measure")
    self.base = base
    self.perturbations = perturbations
    self.threadCount = threadCount
    lora = LoRAConfiguration(rank: rank, alpha: 2 * Float(rank), factors: .b, seed: 1)
    exampleCount = min(batchSize, examples.count)
    batch = TokenBatch(examples.examples.prefix(exampleCount))
    queries = (0..<UInt32(queryCount)).map { $0 }
  }

  /// Measures.
  public func run() -> Report {
    let derivatives = derivatives()
    let size = rootOfMeanSquare(derivatives)
    let modes = [ProductArithmetic(.f32), ProductArithmetic(.bf16)]
    let rows = modes.flatMap { arithmetic in
      let model = AdaptedModel(base: base.computing(in: arithmetic), lora: lora)
      let computer = LossComputer(model: model, threadCount: threadCount, adapterCount: 2)
      return perturbations.map { perturbation in
        let slopes = slopes(of: model, at: perturbation, computer)
        return Row(
          perturbation: perturbation, compute: "\(arithmetic)",
          relativeError: rootOfMeanSquare(zip(slopes, derivatives).map { $0 - $1 }) / size)
      }
    }
    return Report(
      examples: exampleCount, queries: queries.count, derivative: size, rows: rows)
  }

  /// The replica whose adapter is moved: that with which training starts.
  private func replica(of model: AdaptedModel) -> ZerothOrderReplica {
    ZerothOrderReplica(adapter: model.initialAdapter(), directions: Directions(of: Seed(1)))
  }

  /// The derivatives along the directions, by backpropagation.
  private func derivatives() -> [Double] {
    let model = AdaptedModel(base: base.computing(in: .float32), lora: lora)
    var gradient = ParameterVector(zerosOf: model.layout)
    _ = GradientComputer(model: model, threadCount: threadCount, recomputing: 0)
      .loss(of: batch, adapter: model.initialAdapter(), gradient: &gradient)
    let directions = replica(of: model).directions
    return queries.map { query in
      var direction = ParameterVector(zerosOf: model.layout)
      direction.add(directions.direction(step: 0, query: query), times: 1)
      return zip(direction.values, gradient.values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
  }

  /// The same by differences of losses.
  private func slopes(
    of model: AdaptedModel, at perturbation: Float, _ computer: LossComputer
  ) -> [Double] {
    let estimator = GradientEstimator(.twoSided, perturbation: perturbation)
    let (replica, displacements) = (replica(of: model), estimator.displacements(for: queries))
    let losses = computer.losses(of: batch, count: displacements.count) {
      replica.displaced(by: displacements[$0], ofStep: 0)
    }
    let estimate = estimator.estimate(estimator.losses(losses, for: queries))
    return queries.map { query in
      estimate.scalars.first { $0.query == query }?.value ?? .nan
    }
  }
}

private func rootOfMeanSquare(_ values: [Double]) -> Double {
  (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
}
