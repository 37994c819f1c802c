// SPDX-License-Identifier: Apache-2.0
public import Randomness
public import Tensors

/// What one sender has learned and not yet said.
///
/// Each update carries the residual of those before it, so that nothing is lost for good: the sum
/// of all that was sent and the residual is the sum of all that was learned.
/// F. Seide et al., "1-Bit Stochastic Gradient Descent", 2014; S. Karimireddy et al., "Error
/// Feedback Fixes SignSGD", 2019, algorithm 2.
public struct ErrorFeedback: Hashable, Sendable {
  /// What was learned and not yet sent.
  public var residual: ParameterVector

  /// The error feedback of a sender that has not sent anything.
  public init(layout: ParameterLayout) { residual = ParameterVector(zerosOf: layout) }

  /// The error feedback of a sender that goes on with a saved residual.
  public init(residual: ParameterVector) { self.residual = residual }

  /// Encodes `delta` and what was left over; the residual becomes what is left over now, or
  /// nothing with a codec that loses nothing on average.
  ///
  /// - Throws: as the codec does; the residual is what it was.
  /// - Precondition: the layouts are the same.
  public mutating func compress(
    _ delta: ParameterVector, with codec: UpdateCodec, seed: Seed
  ) throws(UpdateError) -> EncodedUpdate {
    var wanted = delta
    // Of a vector as large as this, what need not be copied matters.
    let isCarrying = !residual.isZero
    if isCarrying { wanted.add(residual) }
    let encoded = try codec.encode(wanted, seed: seed)
    guard codec.needsResidual, codec != .dense else {
      if isCarrying { residual = ParameterVector(zerosOf: delta.layout) }
      return encoded
    }
    wanted.add(encoded.decoded, scaledBy: -1)
    residual = wanted
    return encoded
  }

  /// Takes back an update that its receiver refused or never got.
  ///
  /// - Precondition: the layouts are the same.
  public mutating func restore(_ decoded: ParameterVector) { residual.add(decoded) }
}
