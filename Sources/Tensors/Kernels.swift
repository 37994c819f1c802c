// SPDX-License-Identifier: Apache-2.0
internal import CKernels

/// The vector kernels: shapes are checked here once, then C does the work.
public enum Kernels {
  /// `target += scale * source`, element by element.
  ///
  /// - Precondition: both have the same count.
  public static func add(_ source: [Float], scaledBy scale: Float, to target: inout [Float]) {
    precondition(source.count == target.count, "adding \(source.count) to \(target.count) values")
    tern_axpy(target.count, scale, source, &target)
  }
  /// `target *= scale`, element by element.
  public static func scale(_ target: inout [Float], by scale: Float) {
    tern_scale(target.count, scale, &target)
  }

  /// `sums += weight * values` in double precision, element by element.
  ///
  /// - Precondition: both have the same count.
  public static func add(
    _ values: UnsafeBufferPointer<Float>, weight: Double,
    to sums: UnsafeMutableBufferPointer<Double>
  ) {
    precondition(values.count == sums.count, "adding \(values.count) to \(sums.count) values")
    guard let values = values.baseAddress, let start = sums.baseAddress else { return }
    tern_add_weighted(sums.count, weight, values, start)
  }

  /// `values = sums / divisor` in double precision, rounded at the end, element by element; memory
  /// that has not been initialized may be given.
  ///
  /// - Precondition: both have the same count.
  public static func divide(
    _ sums: UnsafeBufferPointer<Double>, by divisor: Double,
    into values: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(values.count == sums.count, "\(sums.count) quotients for \(values.count) places")
    guard let start = values.baseAddress, let sums = sums.baseAddress else { return }
    tern_quotients(values.count, sums, divisor, start)
  }

  /// `target += rate * values` from element `start` on, in double precision and rounded once.
  ///
  /// - Precondition: the target has as many elements.
  public static func step(
    along values: UnsafeBufferPointer<Float>, rate: Double, at start: Int,
    of target: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(
      start >= 0 && start + values.count <= target.count,
      "a step of \(values.count) elements from \(start) of \(target.count)")
    guard let base = values.baseAddress, let first = target.baseAddress else { return }
    tern_step(values.count, rate, base, first + start)
  }

  /// The sum of the squares in double precision, in an order that is the same everywhere.
  public static func sumOfSquares(_ values: [Float]) -> Double {
    tern_sum_of_squares(values.count, values)
  }

  /// Whether no value is infinite or not a number.
  public static func areFinite(_ values: [Float]) -> Bool {
    tern_all_finite(values.count, values) == 1
  }

  /// Whether no value is infinite or not a number.
  public static func areFinite(_ values: UnsafeBufferPointer<Float>) -> Bool {
    values.baseAddress.map { tern_all_finite(values.count, $0) == 1 } ?? true
  }

  /// Whether every value is 0, of either sign.
  public static func areZero(_ values: [Float]) -> Bool {
    tern_all_zero(values.count, values) == 1
  }
}
