// SPDX-License-Identifier: Apache-2.0
@testable import Checkpoints

/// The block formats value by value, straight from their definitions: what the C must equal.
struct BlockOracle {
  let block: [UInt8]

  func half(at offset: Int) -> Float {
    Float(Float16(bitPattern: UInt16(block[offset]) | UInt16(block[offset + 1]) << 8))
  }

  func signed(at offset: Int) -> Float { Float(Int8(bitPattern: block[offset])) }

  /// The 4 bits of value `index` in blocks of 32: low nibbles first, then high ones.
  func nibble(_ index: Int, from offset: Int) -> Float {
    let byte = block[offset + index % 16]
    return Float(index < 16 ? byte & 15 : byte >> 4)
  }

  /// Value `index` of a block of the given type.
  func value(_ index: Int, of type: ElementType) -> Float {
    switch type {
    case .q4_0: (nibble(index, from: 2) - 8) * half(at: 0)
    case .q4_1: nibble(index, from: 4) * half(at: 0) + half(at: 2)
    case .q8_0: signed(at: 2 + index) * half(at: 0)
    case .q4_K: q4_K(index)
    case .q6_K: q6_K(index)
    default: .nan
    }
  }

  /// Sub-blocks of 32; two of them share 32 bytes, the first in the low nibbles.
  private func q4_K(_ index: Int) -> Float {
    let (part, place) = index.quotientAndRemainder(dividingBy: 32)
    let byte = block[16 + part / 2 * 32 + place]
    let bits = Float(part % 2 == 0 ? byte & 15 : byte >> 4)
    let (scale, minimum) = scaleAndMinimum(part)
    return half(at: 0) * scale * bits - half(at: 2) * minimum
  }

  private func scaleAndMinimum(_ part: Int) -> (Float, Float) {
    let scales = Array(block[4..<16])
    if part < 4 { return (Float(scales[part] & 63), Float(scales[part + 4] & 63)) }
    let shared = scales[part + 4]
    return (
      Float(shared & 15 | (scales[part - 4] >> 6) << 4),
      Float(shared >> 4 | (scales[part] >> 6) << 4)
    )
  }

  /// Halves of 128; in each, four quarters of 32 take 4 bits from `ql` and 2 bits from `qh`.
  private func q6_K(_ index: Int) -> Float {
    let (side, place) = index.quotientAndRemainder(dividingBy: 128)
    let (quarter, lane) = place.quotientAndRemainder(dividingBy: 32)
    let low = block[64 * side + lane + (quarter % 2) * 32]
    let four = quarter < 2 ? low & 15 : low >> 4
    let two = block[128 + 32 * side + lane] >> (2 * quarter) & 3
    let bits = Float(Int(four | two << 4) - 32)
    return half(at: 208) * signed(at: 192 + 8 * side + 2 * quarter + lane / 16) * bits
  }
}
