// SPDX-License-Identifier: Apache-2.0
/// All trainable parameters of a model (an adapter, a delta, a gradient), end to end.
public struct ParameterVector: Hashable, Sendable {
  /// Where each tensor lies.
  public let layout: ParameterLayout

  /// The parameters, `layout.count` of them.
  public var values: [Float]

  /// A vector with the given values.
  ///
  /// - Precondition: there are as many values as the layout asks for.
  public init(layout: ParameterLayout, values: [Float]) {
    precondition(
      values.count == layout.count, "\(values.count) values for a layout of \(layout.count)")
    self.layout = layout
    self.values = values
  }

  /// The zero vector of a layout.
  public init(zerosOf layout: ParameterLayout) {
    self.init(layout: layout, values: [Float](repeating: 0, count: layout.count))
  }

  /// Sets every value to zero.
  public mutating func clear() {
    values.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
  }

  /// Adds `scale` times `other`, each element with one product and one sum, both rounded.
  ///
  /// - Precondition: the layouts are the same.
  public mutating func add(_ other: ParameterVector, scaledBy scale: Float = 1) {
    precondition(layout == other.layout, "vectors of different layouts")
    Kernels.add(other.values, scaledBy: scale, to: &values)
  }

  /// Whether no value is infinite or not a number.
  public var isFinite: Bool { Kernels.areFinite(values) }

  /// Whether every value is 0.
  public var isZero: Bool { Kernels.areZero(values) }

  /// The Euclidean norm, summed in double precision in an order that is the same everywhere.
  public var norm: Double { Kernels.sumOfSquares(values).squareRoot() }
}
