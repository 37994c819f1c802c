// SPDX-License-Identifier: Apache-2.0

// Bits in bytes, from the lowest up, eight bytes at a time. Pointers are borrowed from the closure
// that encodes or decodes, and every access is inside them: the writer's by its precondition, the
// reader's by its own check.

/// Writes short groups of bits one after the other.
struct BitWriter {
  private let target: UnsafeMutableRawBufferPointer
  private var byte = 0
  private var pending: UInt64 = 0
  private var pendingCount: UInt64 = 0

  /// A writer to the beginning of `target`, which ends 8 bytes after the last byte to be used.
  init(_ target: UnsafeMutableRawBufferPointer) { self.target = target }

  /// Writes the low `count` bits of `bits`; the others are zero.
  ///
  /// - Precondition: `count` is at most 56.
  @inline(__always)
  mutating func append(_ bits: UInt64, count: UInt64) {
    // At most 7 bits are pending, so 56 more fit.
    pending |= bits &<< pendingCount
    pendingCount &+= count
    precondition(byte &+ 8 <= target.count, "writing byte \(byte) of \(target.count)")
    target.storeBytes(of: pending.littleEndian, toByteOffset: byte, as: UInt64.self)
    byte &+= Int(pendingCount &>> 3)
    pending &>>= pendingCount & ~7
    pendingCount &= 7
  }
}

/// Reads bits at any place; beyond the end there are zeros.
struct BitReader {
  private let source: UnsafeRawBufferPointer

  init(_ source: UnsafeRawBufferPointer) { self.source = source }

  /// The bits from `bit` on, the first lowest: at least 57 of them, the rest zero.
  @inline(__always)
  func window(at bit: Int) -> UInt64 {
    let byte = bit &>> 3
    let shift = UInt64(truncatingIfNeeded: bit & 7)
    if byte &+ 8 <= source.count {
      let word = source.loadUnaligned(fromByteOffset: byte, as: UInt64.self)
      return UInt64(littleEndian: word) &>> shift
    }
    return lastWord(from: byte) &>> shift
  }

  /// The length of a run of ones of which `seen` end before `bit`, which moves to the run's end.
  ///
  /// Stops after `limit` ones: the run is too long then, and no more is known of it.
  @inline(never)
  func longRun(_ seen: UInt64, at bit: inout Int, limit: UInt64) -> UInt64 {
    var length = seen
    while length <= limit {
      let more = (~window(at: bit)).trailingZeroBitCount
      guard more > 0 else { break }
      length += UInt64(more)
      bit += more
    }
    return length
  }

  @inline(never)
  private func lastWord(from byte: Int) -> UInt64 {
    guard byte < source.count else { return 0 }
    return source[byte...].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
