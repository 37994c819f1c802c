// SPDX-License-Identifier: Apache-2.0
public import Tensors

/// In what precision frozen weights are multiplied, and queries, keys and values in attention, forward
/// and backward; all else is single precision always.
public enum ComputeMode: String, Codable, CaseIterable, Sendable {
  /// Operands are rounded to bfloat16, and their products summed in single precision.
  case bf16
  /// Single precision.
  case f32
}

extension ProductArithmetic {
  /// What a mode comes to on this machine.
  ///
  /// - Parameter mode: nil for `bf16` where the processor has a unit for it, else `f32`.
  public init(_ mode: ComputeMode?) {
    switch mode {
    case .bf16: self = .bfloat16(.available)
    case .f32: self = .float32
    case nil: self = BFloat16Unit.available.map { .bfloat16($0) } ?? .float32
    }
  }
}

extension ProductArithmetic: CustomStringConvertible {
  /// In words, for those who watch.
  public var description: String {
    switch self {
    case .float32: "f32"
    case .bfloat16(.amx): "bf16 by AMX"
    case .bfloat16(.avx512): "bf16 by AVX-512"
    case .bfloat16(.plain): "bf16 by plain C"
    case .bfloat16(nil): "bf16 without a unit for it, no faster than f32"
    }
  }
}
