// SPDX-License-Identifier: Apache-2.0
internal import CBlocks

/// How a tensor's values are stored; the raw value is the format's own name.
public enum ElementType: String, Hashable, Sendable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int64 = "I64"
  case int32 = "I32"
  case int16 = "I16"
  case int8 = "I8"
  case unsigned64 = "U64"
  case unsigned32 = "U32"
  case unsigned16 = "U16"
  case unsigned8 = "U8"
  case boolean = "BOOL"
  case complex64 = "C64"
  case float8e4m3 = "F8_E4M3"
  case float8e5m2 = "F8_E5M2"
  case float8e8m0 = "F8_E8M0"
  case q4_0 = "Q4_0"
  case q4_1 = "Q4_1"
  case q8_0 = "Q8_0"
  case q4_K = "Q4_K"
  case q6_K = "Q6_K"

  /// The number of values that are stored together; rows hold whole blocks.
  public var blockLength: Int {
    switch self {
    case .q4_0, .q4_1, .q8_0: 32
    case .q4_K, .q6_K: 256
    default: 1
    }
  }

  /// The number of bytes of one block.
  public var blockByteCount: Int {
    switch self {
    case .float64, .int64, .unsigned64, .complex64: 8
    case .float32, .int32, .unsigned32: 4
    case .float16, .bfloat16, .int16, .unsigned16: 2
    case .int8, .unsigned8, .boolean, .float8e4m3, .float8e5m2, .float8e8m0: 1
    case .q4_0: 18
    case .q4_1: 20
    case .q8_0: 34
    case .q4_K: 144
    case .q6_K: 210
    }
  }

  /// Whether values of this type can be read as floats.
  public var isReadAsFloats: Bool {
    switch self {
    case .float32, .float16, .bfloat16, .q4_0, .q4_1, .q8_0, .q4_K, .q6_K: true
    default: false
    }
  }

  /// Expands whole blocks to floats.
  ///
  /// - Precondition: the type is read as floats, and `source` holds exactly the blocks of `target`.
  func expand(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableBufferPointer<Float>) {
    let blocks = source.count / blockByteCount
    precondition(
      source.count == blocks * blockByteCount && target.count == blocks * blockLength,
      "\(source.count) bytes of \(rawValue) for \(target.count) values")
    guard let bytes = source.baseAddress, let values = target.baseAddress else { return }
    switch self {
    case .float32: UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
    case .float16: tern_expand_f16(blocks, bytes, values)
    case .bfloat16: tern_expand_bf16(blocks, bytes, values)
    case .q4_0: tern_expand_q4_0(blocks, bytes, values)
    case .q4_1: tern_expand_q4_1(blocks, bytes, values)
    case .q8_0: tern_expand_q8_0(blocks, bytes, values)
    case .q4_K: tern_expand_q4_k(blocks, bytes, values)
    case .q6_K: tern_expand_q6_k(blocks, bytes, values)
    default: preconditionFailure("expanding \(rawValue)")
    }
  }
}

/// The index of the first value that is infinite or not a number; nil if all are finite.
func firstNotFinite(_ values: UnsafeMutableBufferPointer<Float>) -> Int? {
  guard let base = values.baseAddress else { return nil }
  let index = tern_first_not_finite(values.count, base)
  return index == values.count ? nil : index
}
