// SPDX-License-Identifier: Apache-2.0

/// Protobuf by hand, for bodies that this program would never write.
struct ProtobufBytes {
  private(set) var bytes: [UInt8] = []

  init(_ fill: (inout ProtobufBytes) -> Void = { _ in }) { fill(&self) }

  mutating func number(_ field: UInt64, _ value: UInt64) {
    varint(field << 3)
    varint(value)
  }

  mutating func double(_ field: UInt64, _ value: Double) {
    varint(field << 3 | 1)
    for shift in stride(from: 0, to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
    }
  }

  mutating func bytes(_ field: UInt64, _ value: [UInt8]) {
    varint(field << 3 | 2)
    varint(UInt64(value.count))
    bytes += value
  }

  mutating func text(_ field: UInt64, _ value: String) { bytes(field, Array(value.utf8)) }

  mutating func message(_ field: UInt64, _ fill: (inout ProtobufBytes) -> Void) {
    bytes(field, ProtobufBytes(fill).bytes)
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest > 127 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// A frame around any body.
func frame(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
  frameHeader(type, byteCount: UInt32(body.count)) + body
}

func frameHeader(_ type: UInt8, byteCount: UInt32) -> [UInt8] {
  bigEndian(UInt64(byteCount)).suffix(4) + [type]
}

func bigEndian(_ value: UInt64) -> [UInt8] {
  (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }
}
