// SPDX-License-Identifier: Apache-2.0

/// Writes small GGUF files, sound or not, as the tests ask for.
struct GGUFBuilder {
  struct Tensor {
    var name: String
    /// Innermost extent first, as in the file.
    var extents: [UInt64]
    var type: UInt32
    var data: [UInt8]
    /// Where the data is said to lie; nil for where it does.
    var offset: UInt64?
  }

  var version: UInt32 = 3
  var alignment = 32
  var values: [(key: String, type: UInt32, bytes: [UInt8])] = []
  var tensors: [Tensor] = []
  var tensorCount: UInt64?
  var valueCount: UInt64?

  mutating func set(_ key: String, _ value: String) { values.append((key, 8, string(value))) }
  mutating func set(_ key: String, _ value: UInt32) { values.append((key, 4, bytes(value))) }
  mutating func set(_ key: String, _ value: Bool) { values.append((key, 7, [value ? 1 : 0])) }
  mutating func set(_ key: String, _ value: Float) {
    values.append((key, 6, bytes(value.bitPattern)))
  }
  mutating func set(_ key: String, _ texts: [String]) {
    values.append(
      (key, 9, bytes(UInt32(8)) + bytes(UInt64(texts.count)) + texts.flatMap(string)))
  }
  mutating func set(_ key: String, _ numbers: [Int32]) {
    values.append(
      (key, 9, bytes(UInt32(5)) + bytes(UInt64(numbers.count)) + numbers.flatMap { bytes($0) }))
  }

  /// Adds an F32 tensor, its shape outermost extent first.
  mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
    tensors.append(
      Tensor(name: name, extents: shape.reversed().map { UInt64($0) }, type: 0, data: bytes(values))
    )
  }

  func string(_ text: String) -> [UInt8] { bytes(UInt64(text.utf8.count)) + Array(text.utf8) }

  /// The whole file.
  func build() -> [UInt8] {
    var file = bytes(UInt32(0x4655_4747)) + bytes(version)
    file += bytes(tensorCount ?? UInt64(tensors.count)) + bytes(valueCount ?? UInt64(values.count))
    for value in values { file += string(value.key) + bytes(value.type) + value.bytes }
    var data: [UInt8] = []
    for tensor in tensors {
      file += string(tensor.name) + bytes(UInt32(tensor.extents.count))
      file += tensor.extents.flatMap { bytes($0) } + bytes(tensor.type)
      file += bytes(tensor.offset ?? UInt64(data.count))
      data += padded(tensor.data)
    }
    return padded(file) + data
  }

  private func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
  }
}
