// SPDX-License-Identifier: Apache-2.0
public import Tensors

/// The mean of updates, each weighted, in the memory of one: sum(w d) / sum(w).
///
/// Products and sums are in double precision and rounded once at the end. The order of adding
/// decides the last bits: add in the canonical order of workers.
public struct WeightedMean: Sendable {
  private let layout: ParameterLayout
  private var sums: [Double]

  /// The sum of the weights so far.
  public private(set) var totalWeight = 0.0

  /// The mean of no updates yet.
  public init(layout: ParameterLayout) {
    self.layout = layout
    sums = [Double](repeating: 0, count: layout.count)
  }

  /// Adds an update.
  ///
  /// - Precondition: the layout is the mean's, and `weight` is positive and finite.
  public mutating func add(_ decoded: ParameterVector, weight: Double) {
    admit(decoded.layout, weight: weight)
    decoded.values.withUnsafeBufferPointer { values in
      sums.withUnsafeMutableBufferPointer { Kernels.add(values, weight: weight, to: $0) }
    }
  }

  /// Adds a ternary update in its sparse form: the same bits, in O(non-zeros).
  ///
  /// - Precondition: the layout is the mean's, and `weight` is positive and finite.
  public mutating func add(_ update: TernaryUpdate, weight: Double) {
    admit(update.layout, weight: weight)
    update.add(to: &sums, weight: weight)
  }

  /// Adds the update in `payload`, which may be anything at all.
  ///
  /// - Throws: as the codec's decoding does; the mean is what it was.
  /// - Precondition: `weight` is positive and finite.
  public mutating func add(
    payload: [UInt8], codec: UpdateCodec, weight: Double
  ) throws(UpdateError) {
    switch codec {
    case .dense: add(try codec.decode(payload, layout: layout), weight: weight)
    case .ternary, .stochasticTernary:
      add(try codec.ternaryUpdate(payload, layout: layout), weight: weight)
    }
  }

  /// The mean; nil if nothing was added.
  public consuming func combined() -> ParameterVector? {
    guard totalWeight > 0 else { return nil }
    let values = [Float](unsafeUninitializedCapacity: sums.count) { values, count in
      sums.withUnsafeBufferPointer { Kernels.divide($0, by: totalWeight, into: values) }
      count = sums.count
    }
    return ParameterVector(layout: layout, values: values)
  }

  private mutating func admit(_ layout: ParameterLayout, weight: Double) {
    precondition(layout == self.layout, "adding an update of another layout to a mean")
    precondition(weight > 0 && weight.isFinite, "adding an update with weight \(weight)")
    totalWeight += weight
  }
}
