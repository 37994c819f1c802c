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

  /// The sum of the squares in double precision, in an order that is the same everywhere.
  public static func sumOfSquares(_ values: [Float]) -> Double {
    tern_sum_of_squares(values.count, values)
  }

  /// Whether no value is infinite or not a number.
  public static func areFinite(_ values: [Float]) -> Bool {
    tern_all_finite(values.count, values) == 1
  }
}
