// SPDX-License-Identifier: Apache-2.0
import Randomness
import Tensors

@testable import Updates

/// A layout of tensors of the given sizes.
func layout(_ counts: Int...) -> ParameterLayout {
  ParameterLayout(counts.enumerated().map { ("tensor\($0)", [$1]) })
}

/// The values in one tensor.
func vector(_ values: [Float]) -> ParameterVector {
  ParameterVector(layout: layout(values.count), values: values)
}

/// Values between -1 and 1, the same for the same seed.
func randomVector(_ layout: ParameterLayout, seed: UInt64) -> ParameterVector {
  var stream = RandomStream(Seed(seed))
  let values = (0..<layout.count).map { _ in stream.uniform(bound: 1) }
  return ParameterVector(layout: layout, values: values)
}

/// Ascending indices below `elementCount`, each with probability `density`, with random signs.
func randomSymbols(_ elementCount: Int, density: Double, seed: UInt64) -> [UInt32] {
  var stream = RandomStream(Seed(seed))
  return (0..<elementCount).compactMap { index in
    stream.unit() < density ? UInt32(index) << 1 | UInt32(stream.next() & 1) : nil
  }
}

/// A ternary vector: 40 elements, non-zeros 0:+, 3:-, 4:+, 13:-, 39:+.
let goldenSymbols: [UInt32] = [0 << 1 | 1, 3 << 1, 4 << 1 | 1, 13 << 1, 39 << 1 | 1]

/// Where the fields of the first section of a payload begin.
enum Field {
  static let version = 4
  static let codec = 5
  static let tensorCount = 6
  static let digest = 8
  static let tensor = 40
  static let coding = 42
  static let riceParameter = 43
  static let elementCount = 44
  static let nonZeroCount = 48
  static let scale = 52
  static let byteCount = 56
  static let contents = 60
}

extension [UInt8] {
  /// A copy with other bytes from `start` on.
  func replacing(_ start: Int, with bytes: [UInt8]) -> [UInt8] {
    var copy = self
    copy.replaceSubrange(start..<(start + bytes.count), with: bytes)
    return copy
  }

  /// The bytes of a hexadecimal string.
  init(hex: String) {
    let digits = hex.compactMap(\.hexDigitValue)
    self = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}

extension UpdateCodec {
  /// Encodes where draws do not matter.
  func encode(_ delta: ParameterVector) throws(UpdateError) -> EncodedUpdate {
    try encode(delta, seed: Seed(1))
  }
}

extension ErrorFeedback {
  /// Compresses where draws do not matter.
  mutating func compress(
    _ delta: ParameterVector, with codec: UpdateCodec
  ) throws(UpdateError) -> EncodedUpdate {
    try compress(delta, with: codec, seed: Seed(1))
  }
}

/// The bytes of a 32-bit number, the lowest first.
func bytes(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(number >> (8 * $0) & 255) } }
