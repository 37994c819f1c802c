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
    step(of: &adapter) { step in
      meanDelta.values.withUnsafeBufferPointer { step.move($0, at: 0) }
    }
  }

  /// Lets `body` make one step of `adapter` in parts: the same bits as for the whole at once.
  ///
  /// - Precondition: the layout is the state's.
  public mutating func step<Result, Failure: Error>(
    of adapter: inout ParameterVector, _ body: (ServerStep) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(
      state.allSatisfy { $0.layout == adapter.layout }, "a step of an adapter of another layout")
    let rule = rule
    return try adapter.values.withUnsafeMutableBufferPointer { values throws(Failure) in
      try state.withUnsafeMutableBufferPointer { state throws(Failure) in
        try withValues(0, of: state) { first throws(Failure) in
          try withValues(1, of: state) { second throws(Failure) in
            try body(ServerStep(rule: rule, values: values, first: first, second: second))
          }
        }
      }
    }
  }
}

/// Calls `body` with the values of a vector, or with none where there is no such vector.
private func withValues<Result, Failure: Error>(
  _ index: Int, of vectors: UnsafeMutableBufferPointer<ParameterVector>,
  _ body: (UnsafeMutableBufferPointer<Float>) throws(Failure) -> Result
) throws(Failure) -> Result {
  guard index < vectors.count else {
    return try body(UnsafeMutableBufferPointer(start: nil, count: 0))
  }
  return try vectors[index].values.withUnsafeMutableBufferPointer { (values) throws(Failure) in
    try body(values)
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
