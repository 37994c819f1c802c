// SPDX-License-Identifier: Apache-2.0
public import Tensors

/// An adapter that follows the steps of zeroth-order training.
///
/// Whoever starts from the same adapter and applies the same steps in the same order has the same
/// bits, on any machine: that is what taking part, replay and restart have in common. Nothing is ever
/// pending: after `apply` the adapter is the step's.
public struct ZerothOrderReplica: Sendable {
  /// The adapter.
  public private(set) var adapter: ParameterVector
  /// Where directions come from.
  public let directions: Directions
  /// The tensors that are perturbed and learned.
  public let moved: MovedTensors
  /// How steps are applied.
  public let rule: UpdateRule

  private var velocity: ParameterVector?
  private var moments: AdamW?

  /// A replica that has applied no step.
  public init(
    adapter: ParameterVector, directions: Directions, rule: UpdateRule = .sgd,
    moved: MovedTensors = .all
  ) {
    self.adapter = adapter
    self.directions = directions
    self.moved = moved
    self.rule = rule
    switch rule {
    case .sgd, .sign: break
    case .momentum: velocity = ParameterVector(zerosOf: adapter.layout)
    case .adam(let beta1, let beta2, let epsilon):
      moments = AdamW(
        settings: AdamW.Settings(
          beta1: Float(beta1), beta2: Float(beta2), epsilon: Float(epsilon)),
        count: adapter.layout.count)
    }
  }

  /// Beside the adapter, all that the next step depends on: of as many vectors as the rule keeps.
  public var memory: Memory {
    Memory(
      vectors: (velocity.map { [$0.values] } ?? []) + (moments?.moments ?? []),
      stepCount: moments?.stepCount ?? 0)
  }

  /// What a rule keeps between steps.
  public struct Memory: Hashable, Sendable {
    /// The velocity; or the first and the second moments; or nothing.
    public let vectors: [[Float]]
    /// How many steps the moments have behind them.
    public let stepCount: Int

    /// A memory by its parts.
    public init(vectors: [[Float]], stepCount: Int) {
      self.vectors = vectors
      self.stepCount = stepCount
    }
  }

  /// How many vectors as long as the adapter a rule keeps.
  public static func memoryVectorCount(of rule: UpdateRule) -> Int {
    switch rule {
    case .sgd, .sign: 0
    case .momentum: 1
    case .adam: 2
    }
  }

  /// Goes on with what another replica kept.
  ///
  /// - Precondition: it has the same rule and layout.
  public mutating func restore(_ memory: Memory) {
    precondition(
      memory.vectors.count == Self.memoryVectorCount(of: rule)
        && memory.vectors.allSatisfy { $0.count == adapter.layout.count },
      "a memory of \(memory.vectors.map(\.count)) values for \(rule)")
    if velocity != nil {
      velocity = ParameterVector(layout: adapter.layout, values: memory.vectors[0])
    }
    moments?.restore(
      first: memory.vectors[0], second: memory.vectors[1], stepCount: memory.stepCount)
  }

  /// Takes a step.
  ///
  /// - Precondition: it has a rate exactly if the rule keeps state.
  public mutating func apply(_ step: DirectionStep) {
    precondition(
      (step.rate != nil) == rule.hasState, "a rate of \(step.rate ?? 0) for the rule \(rule)")
    switch rule {
    case .sgd, .sign: add(step.terms, of: step.step, to: &adapter)
    case .momentum(let beta):
      guard var velocity, let rate = step.rate else { return }
      self.velocity = nil
      Kernels.scale(&velocity.values, by: Float(beta))
      add(step.terms, of: step.step, to: &velocity)
      adapter.add(velocity, scaledBy: -rate)
      self.velocity = velocity
    case .adam:
      guard let rate = step.rate else { return }
      var gradient = ParameterVector(zerosOf: adapter.layout)
      add(step.terms, of: step.step, to: &gradient)
      moments?.step(&adapter, gradient: gradient, learningRate: rate)
    }
  }

  /// Takes steps one after the other.
  ///
  /// - Precondition: each has a rate exactly if the rule keeps state.
  public mutating func apply(contentsOf steps: [DirectionStep]) {
    guard !rule.hasState else { return steps.forEach { apply($0) } }
    precondition(steps.allSatisfy { $0.rate == nil }, "a rate for the rule \(rule)")
    adapter.add(steps, along: directions, to: moved)
  }

  /// The adapter moved along directions of a step: a copy beside it.
  public func displaced(by terms: [DirectionTerm], ofStep step: UInt32) -> ParameterVector {
    var copy = adapter
    add(terms, of: step, to: &copy)
    return copy
  }

  private func add(
    _ terms: [DirectionTerm], of step: UInt32, to vector: inout ParameterVector
  ) {
    vector.add(
      terms.map { $0.scaled(ofStep: step, along: directions) }, to: moved.selection(atStep: step))
  }
}
