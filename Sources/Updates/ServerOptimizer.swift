// SPDX-License-Identifier: Apache-2.0
public import Tensors

/// Applies mean updates to the adapter by a rule, and remembers what the rule needs.
///
/// Every element's new value is computed in double precision from single-precision state and
/// rounded once, with no operation that a processor may round its own way.
public struct ServerOptimizer: Hashable, Sendable {
  /// The rule.
  public let rule: ServerOptimizerRule

  /// The rule's moving averages, for a snapshot: none, momentum, or momentum and variance.
  public private(set) var state: [ParameterVector]

  /// An optimizer that has not made a step.
  ///
  /// - Precondition: the rule is valid.
  public init(rule: ServerOptimizerRule, layout: ParameterLayout) {
    precondition(rule.isValid, "invalid rule \(rule)")
    self.rule = rule
    state = rule.initialState.map { value in
      ParameterVector(layout: layout, values: [Float](repeating: value, count: layout.count))
    }
  }

  /// An optimizer that goes on from a snapshot's state.
  ///
  /// - Throws: if `state` is not that of the rule on the layout.
  /// - Precondition: the rule is valid.
  public init(
    rule: ServerOptimizerRule, layout: ParameterLayout, state: [ParameterVector]
  ) throws(UpdateError) {
    precondition(rule.isValid, "invalid rule \(rule)")
    let found = state.count { $0.layout == layout }
    let expected = rule.initialState.count
    guard found == expected, state.count == expected else {
      throw .optimizerState(expected: expected, found: found)
    }
    self.rule = rule
    self.state = state
  }

  /// One step along `meanDelta`.
  ///
  /// - Precondition: the layouts are the state's.
  public mutating func apply(_ meanDelta: ParameterVector, to adapter: inout ParameterVector) {
    precondition(meanDelta.layout == adapter.layout, "a step along a delta of another layout")
    meanDelta.values.withUnsafeBufferPointer { apply($0, at: 0, to: &adapter) }
  }

  /// One step of the elements from `start` on, along as much of a delta: the same bits as for the
  /// whole at once.
  ///
  /// - Precondition: the layout is the state's, and has as many elements.
  public mutating func apply(
    _ meanDelta: UnsafeBufferPointer<Float>, at start: Int, to adapter: inout ParameterVector
  ) {
    precondition(
      start >= 0 && start + meanDelta.count <= adapter.values.count,
      "a step of \(meanDelta.count) elements from \(start) of \(adapter.values.count)")
    precondition(
      state.allSatisfy { $0.layout == adapter.layout }, "a step of an adapter of another layout")
    switch rule {
    case .sgd(let learningRate, _) where state.isEmpty:
      Kernels.step(along: meanDelta, rate: learningRate, at: start, of: &adapter.values)
    case .sgd(let learningRate, let momentum):
      step(&adapter, from: start, along: meanDelta) { delta, average, _ in
        average = momentum * average + delta
        return learningRate * average
      }
    case .adam(let learningRate, let beta1, let beta2, let tau):
      step(&adapter, from: start, along: meanDelta) { delta, average, variance in
        average = beta1 * average + (1 - beta1) * delta
        variance = beta2 * variance + (1 - beta2) * (delta * delta)
        return learningRate * average / (variance.squareRoot() + tau)
      }
    case .yogi(let learningRate, let beta1, let beta2, let tau):
      step(&adapter, from: start, along: meanDelta) { delta, average, variance in
        average = beta1 * average + (1 - beta1) * delta
        let square = delta * delta
        let change = (1 - beta2) * square
        variance -= variance > square ? change : variance < square ? -change : 0
        return learningRate * average / (variance.squareRoot() + tau)
      }
    case .adagrad(let learningRate, let tau):
      step(&adapter, from: start, along: meanDelta) { delta, variance, _ in
        variance += delta * delta
        return learningRate * delta / (variance.squareRoot() + tau)
      }
    }
  }

  /// Moves every element by what `change` says, given its delta and its state.
  ///
  /// A step depends on nothing but the rounded state, so it is the same from a snapshot.
  private mutating func step(
    _ adapter: inout ParameterVector, from start: Int, along delta: UnsafeBufferPointer<Float>,
    _ change: (_ delta: Double, _ first: inout Double, _ second: inout Double) -> Double
  ) {
    for (offset, one) in delta.enumerated() {
      let index = start + offset
      var first = state.isEmpty ? 0 : Double(state[0].values[index])
      var second = state.count < 2 ? 0 : Double(state[1].values[index])
      let amount = change(Double(one), &first, &second)
      adapter.values[index] = Float(Double(adapter.values[index]) + amount)
      if state.count > 0 { state[0].values[index] = Float(first) }
      if state.count > 1 { state[1].values[index] = Float(second) }
    }
  }
}

extension ServerOptimizerRule {
  /// What each vector of the state is filled with before the first step.
  fileprivate var initialState: [Float] {
    switch self {
    case .sgd(_, let momentum): momentum == 0 ? [] : [0]
    case .adam(_, _, _, let tau), .yogi(_, _, _, let tau): [0, Float(tau * tau)]
    case .adagrad(_, let tau): [Float(tau * tau)]
    }
  }
}
