// SPDX-License-Identifier: Apache-2.0
public import Randomness
public import Tensors

/// How an update is turned into bytes, and back.
public enum UpdateCodec: Hashable, Codable, Sendable {
  /// Every value as it is, 32 bits each.
  case dense
  /// The signs of the largest values by magnitude, and one scale a tensor.
  ///
  /// `density` is the fraction of all values that is kept, above 0 and at most 1.
  case ternary(density: Double)
  /// Signs drawn at random with probabilities in proportion to the magnitudes, one scale for all,
  /// and the few largest values as they are: on average nothing is lost.
  ///
  /// `density` is the fraction of all values that is kept on average.
  case stochasticTernary(density: Double)

  /// Whether what an update leaves out has to be remembered, and sent with the next.
  public var needsResidual: Bool {
    if case .stochasticTernary = self { false } else { true }
  }

  /// The bytes of `delta`, and what their receiver will see.
  ///
  /// - Parameter seed: of the draws, for a codec that draws: the same seed gives the same bytes.
  /// - Throws: for a density outside (0, 1], a value that is not finite, or a layout beyond the
  ///   format's limits.
  /// - Complexity: O(count).
  public func encode(
    _ delta: ParameterVector, seed: Seed
  ) throws(UpdateError) -> EncodedUpdate {
    switch self {
    case .dense:
      return EncodedUpdate(payload: try densePayload(of: delta), decoded: delta)
    case .ternary:
      let update = try TernaryUpdate(
        largest: keptCount(of: delta.layout.count), of: delta)
      return EncodedUpdate(payload: update.payload(), decoded: update.decoded())
    case .stochasticTernary:
      let update = try TernaryUpdate(
        drawing: keptCount(of: delta.layout.count), of: delta, seed: seed)
      return EncodedUpdate(payload: update.payload(), decoded: update.decoded())
    }
  }

  /// The update in `payload`, which may be anything at all.
  ///
  /// - Throws: unless `payload` is a well-formed update of this codec for `layout`; a ternary one
  ///   with more non-zeros than the density allows is refused too.
  public func decode(
    _ payload: [UInt8], layout: ParameterLayout
  ) throws(UpdateError) -> ParameterVector {
    switch self {
    case .dense:
      return try denseVector(of: payload, layout: layout)
    case .ternary, .stochasticTernary:
      return try ternaryUpdate(payload, layout: layout).decoded()
    }
  }

  /// The most bytes that an update of this codec takes: what to accept before reading it.
  public func maximumPayloadByteCount(for layout: ParameterLayout) -> Int {
    let frame =
      UpdateContainer.headerByteCount
      + layout.entries.count * UpdateContainer.sectionHeaderByteCount
    switch self {
    case .dense:
      return frame + layout.count * MemoryLayout<Float>.size
    case .ternary, .stochasticTernary:
      // An encoder's own parameter costs a tensor no more than any other, so the best one for all
      // together bounds the sum; every tensor may leave 7 bits of its last byte unused.
      let kept = min((try? keptCount(of: layout.count)) ?? layout.count, layout.count)
      let bits = RiceCode.maximumBitCount(elementCount: layout.count, nonZeroCount: kept)
      let exactByteCount =
        needsResidual
        ? 0
        : layout.entries.count * UpdateContainer.exactCountByteCount
          + kept * UpdateContainer.exactValueByteCount
      return frame + layout.entries.count + bits / 8 + exactByteCount
    }
  }

  /// How many of `count` values are kept: the whole part of density times `count`, at least one.
  ///
  /// - Throws: for a density outside (0, 1].
  public func keptCount(of count: Int) throws(UpdateError) -> Int {
    let density: Double
    switch self {
    case .dense: return count
    case .ternary(let fraction), .stochasticTernary(let fraction): density = fraction
    }
    guard density > 0, density <= 1 else { throw .density(density) }
    return min(count, max(1, Int(density * Double(count))))
  }

  /// The sparse form of a ternary `payload`.
  func ternaryUpdate(
    _ payload: [UInt8], layout: ParameterLayout
  ) throws(UpdateError) -> TernaryUpdate {
    try TernaryUpdate(
      payload: payload, of: needsResidual ? .ternary : .stochasticTernary, layout: layout,
      nonZeroLimit: keptCount(of: layout.count))
  }
}

extension UpdateCodec: CustomStringConvertible {
  /// The codec's name, with its density if it has one.
  public var description: String {
    switch self {
    case .dense: "dense"
    case .ternary(let density): "ternary \(density)"
    case .stochasticTernary(let density): "stochastic ternary \(density)"
    }
  }
}
