// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
public import Models
internal import Randomness
internal import Tensors
internal import Training
internal import Updates

/// Steps of training, or forward passes, of a model on random tokens: what the engine costs, with
/// nothing around it.
public struct StepBenchmark: Sendable {
  /// What is repeated.
  public enum Work: Sendable {
    /// Loss, gradient of the adapter, and a step of AdamW.
    case train
    /// The loss alone.
    case forward
    /// Two losses along each of some random directions, and a step of SGD along them.
    case zerothOrder(queryCount: Int)
  }

  /// The sizes of a step.
  public struct Size: Sendable {
    /// How many sequences.
    public var batch: Int
    /// How many tokens each has.
    public var sequence: Int
    /// How many tokens at the end of each are predicted.
    public var supervised: Int
    /// The rank of the adapter, on all linear layers of a block.
    public var rank: Int
    /// Which of its factors are learned.
    public var factors: LoRAConfiguration.Factors
    /// How many threads compute.
    public var threads: Int
    /// The most bytes that a step may take; nil for as many as are useful.
    public var memory: Int?

    /// Sizes of a step.
    public init(
      batch: Int, sequence: Int, supervised: Int, rank: Int, factors: LoRAConfiguration.Factors,
      threads: Int = 1, memory: Int? = nil
    ) {
      self.batch = batch
      self.sequence = sequence
      self.supervised = supervised
      self.rank = rank
      self.factors = factors
      self.threads = threads
      self.memory = memory
    }
  }

  /// What was measured.
  public struct Report: Encodable, Sendable {
    /// How many sequences.
    public var batch: Int
    /// How many tokens each has.
    public var sequence: Int
    /// How many of them are predicted.
    public var supervised: Int
    /// The rank of the adapter.
    public var rank: Int
    /// How many directions a step had, for zeroth-order steps.
    public var queries: Int?
    /// How many threads there were.
    public var threads: Int
    /// What products of weights were made of.
    public var compute: String
    /// How many steps were measured.
    public var steps: Int
    /// Time on the clock of a step, in seconds: half of the steps took no more.
    public var wallSecondsMedian: Double
    /// Processor time of a step, in seconds: half of the steps took no more.
    public var processorSecondsMedian: Double
    /// Processor time of the fastest step, in seconds.
    public var processorSecondsMinimum: Double
    /// Tokens run through the model for each second of processor time, at the median.
    public var tokensPerProcessorSecond: Double
    /// Operations of matrix products for each nanosecond of processor time, at the median.
    public var gigaflopsPerSecond: Double
    /// The same in one large product of that kind on this machine: what is there to be had.
    public var gigaflopsPerSecondOfOneProduct: Double
    /// The most memory that the process ever had resident, in bytes; the model's is a part of it.
    public var peakResidentBytes: Int
    /// The bytes that were planned.
    public var plannedBytes: Int
    /// How many blocks were computed twice to stay within them.
    public var recomputedBlocks: Int
    /// How many adapters each thread computed with at once.
    public var adaptersAtOnce: Int
    /// The loss before the last step, to compare.
    public var loss: Double
  }

  private let model: AdaptedModel
  private let size: Size
  private let work: Work
  private let plan: MemoryPlan
  /// What it was made for.
  private let extent: BatchExtent

  /// A benchmark of `work` on a base.
  ///
  /// - Throws: if the sizes are more than the model takes.
  public init(_ work: Work, base: DecoderModel, size: Size) throws {
    let limit = base.configuration.contextLength
    guard size.sequence <= limit else {
      throw InputError("the model takes sequences of at most \(limit) tokens")
    }
    self.work = work
    self.size = size
    model = AdaptedModel(
      base: base,
      lora: LoRAConfiguration(
        rank: size.rank, alpha: 2 * Float(size.rank), factors: size.factors, seed: 1))
    let batch = TokenBatch(
      sequences: (0..<size.batch).map { _ in
        ([Int32](repeating: 0, count: size.sequence), size.sequence - size.supervised)
      })
    let parts = batch.parts
    switch work {
    case .forward:
      extent = BatchExtent(of: batch)
      // The model's own start, and the adapter.
      plan = model.forwardMemoryPlan(of: extent, vectorCount: 2, others: programByteCount)
    case .train:
      extent = BatchExtent(ofLargest: parts)
      // Beside them its gradient and two moments.
      plan = try model.memoryPlan(
        of: extent, threadCount: min(size.threads, parts.count), vectorCount: 5,
        others: programByteCount, budget: size.memory)
    case .zerothOrder(let queryCount):
      extent = BatchExtent(ofLargest: parts)
      // The model's own start, and the replica's adapter.
      plan = try model.memoryPlan(
        ofLossesOf: extent, adapterCount: 2 * queryCount, threadCount: size.threads,
        vectorCount: 2, others: programByteCount, budget: size.memory)
    }
  }

  /// Measures `stepCount` steps after two that are not counted; each has tokens of its own.
  ///
  /// - Precondition: there is a step.
  public func run(stepCount: Int) throws -> Report {
    precondition(stepCount > 0, "a benchmark of no steps")
    let step = makeStep()
    var stream = RandomStream(Seed(1))
    var seconds: [Double] = []
    var wallSeconds: [Double] = []
    var loss = 0.0
    for number in -2..<stepCount {
      let batch = randomBatch(&stream)
      let (begin, start) = (processorSeconds(), ContinuousClock.now)
      loss = step(batch)
      guard number >= 0 else { continue }
      seconds.append(processorSeconds() - begin)
      wallSeconds.append((ContinuousClock.now - start) / .seconds(1))
    }
    return try report(
      seconds.sorted(), wallSeconds.sorted(), operations: operations(&stream), loss: loss)
  }

  /// What is repeated, with its memory: takes a batch and gives its loss.
  private func makeStep() -> (TokenBatch) -> Double {
    let model = model
    var adapter = model.initialAdapter()
    switch work {
    case .forward:
      var workspace = model.makeWorkspace(for: plan.pass, of: extent)
      return { model.loss(of: $0, adapter: adapter, in: &workspace) }
    case .train:
      var optimizer = AdamW(count: model.layout.count)
      var gradient = ParameterVector(zerosOf: model.layout)
      let computer = GradientComputer(
        model: model, threadCount: plan.threadCount, recomputing: plan.recomputedBlockCount,
        extent: extent)
      return { batch in
        let loss = computer.loss(of: batch, adapter: adapter, gradient: &gradient)
        optimizer.step(&adapter, gradient: gradient, learningRate: 1e-4)
        return loss
      }
    case .zerothOrder(let queryCount):
      return makeZerothOrderStep(queries: (0..<queryCount).map { UInt32($0) })
    }
  }

  private func makeZerothOrderStep(queries: [UInt32]) -> (TokenBatch) -> Double {
    let estimator = GradientEstimator(.twoSided, perturbation: 5e-3)
    let displacements = estimator.displacements(for: queries)
    let computer = LossComputer(
      model: model, threadCount: plan.threadCount, adapterCount: plan.adapterCount,
      extent: extent)
    var replica = ZerothOrderReplica(
      adapter: model.initialAdapter(), directions: Directions(of: Seed(1)))
    var number: UInt32 = 0
    return { batch in
      let (start, step) = (replica, number)
      let losses = computer.losses(of: batch, count: displacements.count) {
        start.displaced(by: displacements[$0], ofStep: step)
      }
      let estimate = estimator.estimate(estimator.losses(losses, for: queries))
      replica.apply(UpdateRule.sgd.step(step, for: estimate.scalars, learningRate: 1e-4))
      number += 1
      return estimate.loss ?? .nan
    }
  }

  private func report(
    _ seconds: [Double], _ wallSeconds: [Double], operations: Double, loss: Double
  ) throws -> Report {
    let median = seconds[seconds.count / 2]
    let memory = try ProcessUsage.current()
    return Report(
      batch: size.batch, sequence: size.sequence, supervised: size.supervised, rank: size.rank,
      queries: queryCount, threads: plan.threadCount, compute: "\(model.base.arithmetic)",
      steps: seconds.count,
      wallSecondsMedian: wallSeconds[wallSeconds.count / 2], processorSecondsMedian: median,
      processorSecondsMinimum: seconds[0],
      tokensPerProcessorSecond: Double(size.batch * size.sequence) / median,
      gigaflopsPerSecond: operations / median / 1e9,
      gigaflopsPerSecondOfOneProduct: speedOfOneProduct(in: model.base.arithmetic),
      peakResidentBytes: memory.peakResidentBytes, plannedBytes: plan.byteCount,
      recomputedBlocks: plan.recomputedBlockCount, adaptersAtOnce: plan.adapterCount, loss: loss)
  }

  private func operations(_ stream: inout RandomStream) -> Double {
    let arithmetic = model.arithmetic(of: randomBatch(&stream))
    switch work {
    case .train: return arithmetic.step
    case .forward: return arithmetic.forward
    case .zerothOrder(let queryCount): return 2 * Double(queryCount) * arithmetic.forward
    }
  }

  private var queryCount: Int? {
    if case .zerothOrder(let count) = work { count } else { nil }
  }

  private func randomBatch(_ stream: inout RandomStream) -> TokenBatch {
    let vocabularySize = model.base.configuration.vocabularySize
    return TokenBatch(
      sequences: (0..<size.batch).map { _ in
        let tokens = (0..<size.sequence).map { _ in
          Int32(stream.integer(below: vocabularySize))
        }
        return (tokens, size.sequence - size.supervised)
      })
  }
}

/// Operations of a square matrix product for each nanosecond of processor time, by what multiplies
/// frozen weights: the best of some.
private func speedOfOneProduct(in arithmetic: ProductArithmetic) -> Double {
  let width = 1024
  let square = Matrix([Float](repeating: 0.5, count: width * width), rows: width, columns: width)
  let multiply = product(of: square, in: arithmetic)
  var result = Matrix(rows: width, columns: width)
  let seconds = (0..<5).map { _ in
    let begin = processorSeconds()
    multiply(&result)
    return processorSeconds() - begin
  }
  return 2 * Double(width * width * width) / (seconds.min() ?? .infinity) / 1e9
}

/// What multiplies a matrix with its transpose; what a unit reads is packed before.
private func product(
  of matrix: Matrix, in arithmetic: ProductArithmetic
) -> (_ result: inout Matrix) -> Void {
  guard case .bfloat16(let unit?) = arithmetic else {
    return { Kernels.multiply(matrix, transposed: matrix, into: &$0) }
  }
  var rows = PackedRows()
  rows.pack(matrix)
  var panels = PackedPanels()
  let depth = matrix.columnCount
  panels.resize(depth: depth, columns: matrix.rowCount)
  matrix.values.withUnsafeBufferPointer { values in
    for first in stride(from: 0, to: matrix.rowCount, by: PackedPanels.pieceLength) {
      let end = min(matrix.rowCount, first + PackedPanels.pieceLength)
      let piece = UnsafeBufferPointer(rebasing: values[(first * depth)..<(end * depth)])
      if let piece = BorrowedMatrix(piece, columns: depth) {
        panels.pack(columns: piece, from: first)
      }
    }
  }
  return { [rows, panels] in Kernels.multiply(rows, panels, by: unit, into: &$0) }
}
