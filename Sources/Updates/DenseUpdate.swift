// SPDX-License-Identifier: Apache-2.0
internal import Tensors

// The dense codec: each tensor's values as they are, in a raw section.

extension UpdateCodec {
  /// The bytes of every value of `delta`.
  func densePayload(of delta: ParameterVector) throws(UpdateError) -> [UInt8] {
    try UpdateContainer.checkLimits(of: delta.layout)
    if let index = firstNonFinite(in: delta.values) { throw .nonFinite(at: index, of: delta) }
    var payload = UpdateContainer.header(.dense, layout: delta.layout)
    payload.reserveCapacity(maximumPayloadByteCount(for: delta.layout))
    for (tensor, entry) in delta.layout.entries.enumerated() {
      let section = UpdateContainer.Section(
        elementCount: entry.count, nonZeroCount: entry.count,
        contents: 0..<(entry.count * MemoryLayout<Float>.size))
      payload += UpdateContainer.sectionHeader(tensor, of: .dense, section)
      delta.values[entry.range].withUnsafeBytes { payload.append(contentsOf: $0) }
    }
    return payload
  }

  /// The values in `payload`.
  func denseVector(
    of payload: [UInt8], layout: ParameterLayout
  ) throws(UpdateError) -> ParameterVector {
    let container = try UpdateContainer(payload)
    guard container.kind == .dense else {
      throw .codec(expected: description, found: "\(container.kind)")
    }
    try container.check(against: layout)
    var vector = ParameterVector(zerosOf: layout)
    vector.values.withUnsafeMutableBytes { target in
      payload.withUnsafeBytes { source in
        for (entry, section) in zip(layout.entries, container.sections) {
          let start = entry.offset * MemoryLayout<Float>.size
          UnsafeMutableRawBufferPointer(rebasing: target[start..<(start + section.contents.count)])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[section.contents]))
        }
      }
    }
    if let index = firstNonFinite(in: vector.values) {
      let tensor = layout.tensor(at: index)
      throw .nonFinite(tensor: tensor, index: index - layout.entries[tensor].offset)
    }
    return vector
  }
}

/// The place of the first value that is infinite or not a number.
func firstNonFinite(in values: [Float]) -> Int? {
  let exponent: UInt32 = 0x7F80_0000
  let isFinite = values.withUnsafeBufferPointer { values in
    var index = 0
    var largest: UInt32 = 0
    while index < values.count {
      largest = max(largest, values[index].bitPattern & exponent)
      index += 1
    }
    return largest < exponent
  }
  return isFinite ? nil : values.firstIndex { !$0.isFinite }
}

extension UpdateError {
  /// The refusal to send the value at `index` of `delta`.
  static func nonFinite(at index: Int, of delta: ParameterVector) -> UpdateError {
    let entry = delta.layout.entries[delta.layout.tensor(at: index)]
    return .nonFiniteInput(tensor: entry.name, index: index - entry.offset)
  }
}

extension ParameterLayout {
  /// The place in the layout of the tensor that holds element `index` of the flat vector.
  func tensor(at index: Int) -> Int {
    guard let tensor = entries.firstIndex(where: { $0.range.contains(index) }) else {
      preconditionFailure("element \(index) of a layout of \(count)")
    }
    return tensor
  }
}
