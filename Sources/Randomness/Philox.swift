// SPDX-License-Identifier: Apache-2.0

/// Philox4x32-10: a counter-based generator, the same bits on every machine.
///
/// Block `i` of a key is a pure function of (key, i), so any part of a stream can be made alone.
/// J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, section 3.3.
public struct Philox: Sendable {
  /// The 64-bit key: low word first.
  public let key: UInt64

  /// A generator of the streams of `key`.
  public init(key: UInt64) { self.key = key }

  /// The four words at counter (`index`, `stream`), each 64 bits, low word first.
  public func block(_ index: UInt64, stream: UInt64 = 0) -> SIMD4<UInt32> {
    var c = SIMD4<UInt32>(
      UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
      UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32))
    var k0 = UInt32(truncatingIfNeeded: key)
    var k1 = UInt32(truncatingIfNeeded: key >> 32)
    for _ in 0..<10 {
      let p0 = UInt64(c[0]) * 0xD251_1F53
      let p1 = UInt64(c[2]) * 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: p1 >> 32) ^ c[1] ^ k0, UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ c[3] ^ k1, UInt32(truncatingIfNeeded: p0))
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return c
  }
}
