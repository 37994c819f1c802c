// SPDX-License-Identifier: Apache-2.0
internal import Tensors

// Contract of the unsafe code: the pointers are those of an optimizer and its adapter, which nobody
// else touches within the call that made the step; no two calls are for the same place.

/// One step of a server's optimizer, made in parts: in any order, and on any threads.
public struct ServerStep: @unchecked Sendable {
  let rule: ServerOptimizerRule
  let values: UnsafeMutableBufferPointer<Float>
  /// The first of the rule's moving averages; empty for a rule without any.
  let first: UnsafeMutableBufferPointer<Float>
  /// The second of the rule's moving averages; empty for a rule without it.
  let second: UnsafeMutableBufferPointer<Float>

  /// Moves the elements from `start` on, along as much of the mean delta.
  ///
  /// - Precondition: the adapter has as many elements, and none of them was moved before.
  public func move(_ meanDelta: UnsafeBufferPointer<Float>, at start: Int) {
    precondition(
      start >= 0 && start + meanDelta.count <= values.count,
      "a step of \(meanDelta.count) elements from \(start) of \(values.count)")
    switch rule {
    case .sgd(let learningRate, _) where first.isEmpty:
      Kernels.step(along: meanDelta, rate: learningRate, at: start, of: values)
    case .sgd(let learningRate, let momentum):
      move(meanDelta, at: start) { delta, average, _ in
        average = momentum * average + delta
        return learningRate * average
      }
    case .adam(let learningRate, let beta1, let beta2, let tau):
      move(meanDelta, at: start) { delta, average, variance in
        average = beta1 * average + (1 - beta1) * delta
        variance = beta2 * variance + (1 - beta2) * (delta * delta)
        return learningRate * average / (variance.squareRoot() + tau)
      }
    case .yogi(let learningRate, let beta1, let beta2, let tau):
      move(meanDelta, at: start) { delta, average, variance in
        average = beta1 * average + (1 - beta1) * delta
        let square = delta * delta
        let change = (1 - beta2) * square
        variance -= variance > square ? change : variance < square ? -change : 0
        return learningRate * average / (variance.squareRoot() + tau)
      }
    case .adagrad(let learningRate, let tau):
      move(meanDelta, at: start) { delta, variance, _ in
        variance += delta * delta
        return learningRate * delta / (variance.squareRoot() + tau)
      }
    }
  }

  /// Moves every element by what `change` says, given its delta and its state.
  ///
  /// A step depends on nothing but the rounded state, so it is the same from a snapshot.
  private func move(
    _ meanDelta: UnsafeBufferPointer<Float>, at start: Int,
    _ change: (_ delta: Double, _ first: inout Double, _ second: inout Double) -> Double
  ) {
    for (offset, delta) in meanDelta.enumerated() {
      let index = start + offset
      var one = first.isEmpty ? 0 : Double(first[index])
      var two = second.isEmpty ? 0 : Double(second[index])
      let amount = change(Double(delta), &one, &two)
      values[index] = Float(Double(values[index]) + amount)
      if !first.isEmpty { first[index] = Float(one) }
      if !second.isEmpty { second[index] = Float(two) }
    }
  }
}
