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
}
