// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// The checked header of a safetensors file: u64 length, JSON, then the data.
///
/// Tensors must cover the data from end to end, without gaps and without overlaps, as the
/// format's own library demands: no byte is hidden, none is read twice.
struct SafetensorsHeader {
  /// The most bytes that a header may have; the format's own limit.
  static let sizeLimit = 100_000_000

  let tensors: [String: TensorInfo]
  let metadata: [String: String]

  /// Reads and checks the header of the file with the given bytes.
  init(_ bytes: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
    guard bytes.count >= 8 else {
      throw .truncated(
        path: path, what: "the header's length", needed: 8, available: bytes.count)
    }
    let size = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard size <= Self.sizeLimit else {
      throw .malformed(
        path: path, what: "a header of \(size) bytes, at most \(Self.sizeLimit) are allowed")
    }
    let dataStart = 8 + Int(size)
    guard dataStart <= bytes.count else {
      throw .truncated(
        path: path, what: "the header", needed: Int(size), available: bytes.count - 8)
    }
    let document = try JSONValue(
      parsing: UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]), path: path)
    guard let members = document.members else {
      throw .malformed(path: path, what: "a header that is no JSON object")
    }
    var tensors: [String: TensorInfo] = [:]
    var metadata: [String: String] = [:]
    for member in members {
      if member.name == "__metadata__" {
        metadata = try Self.metadata(member.value, path: path)
      } else {
        tensors[member.name] = try Self.tensor(member, dataStart: dataStart, path: path)
      }
    }
    try Self.checkCoverage(tensors, of: dataStart..<bytes.count, path: path)
    self.tensors = tensors
    self.metadata = metadata
  }

  private static func metadata(
    _ value: JSONValue, path: String
  ) throws(CheckpointError) -> [String: String] {
    guard let members = value.members else {
      throw .malformed(path: path, what: "__metadata__ is no object")
    }
    var metadata: [String: String] = [:]
    for member in members {
      guard let text = member.value.text else {
        throw .malformed(path: path, what: "__metadata__ '\(member.name)' is no string")
      }
      metadata[member.name] = text
    }
    return metadata
  }

  private static func tensor(
    _ member: JSONValue.Member, dataStart: Int, path: String
  ) throws(CheckpointError) -> TensorInfo {
    let name = member.name
    guard let typeName = member.value["dtype"]?.text else {
      throw .malformed(path: path, what: "tensor '\(name)' has no dtype")
    }
    guard let type = ElementType(rawValue: typeName), type.blockLength == 1 else {
      throw .unsupported(
        path: path, what: "the type '\(typeName)' of tensor '\(name)'", supported: "F32, F16, BF16")
    }
    guard let shape = wholeNumbers(member.value["shape"]) else {
      throw .malformed(path: path, what: "tensor '\(name)' has no shape")
    }
    guard let offsets = wholeNumbers(member.value["data_offsets"]), offsets.count == 2,
      offsets[0] <= offsets[1], offsets[1] <= Int.max - dataStart
    else { throw .malformed(path: path, what: "tensor '\(name)' has no valid data_offsets") }
    guard let info = TensorInfo(type: type, shape: shape, offset: dataStart + offsets[0]) else {
      throw .malformed(path: path, what: "tensor '\(name)' has the impossible shape \(shape)")
    }
    guard info.range.upperBound == dataStart + offsets[1] else {
      throw .malformed(
        path: path,
        what: "tensor '\(name)' of \(typeName) \(shape) needs \(info.range.count) bytes, "
          + "its data_offsets give \(offsets[1] - offsets[0])")
    }
    return info
  }

  /// The elements of an array of numbers that are whole and not negative.
  private static func wholeNumbers(_ value: JSONValue?) -> [Int]? {
    guard let elements = value?.elements else { return nil }
    let numbers = elements.compactMap(\.wholeNumber)
    guard numbers.count == elements.count, numbers.allSatisfy({ $0 >= 0 }) else { return nil }
    return numbers
  }

  private static func checkCoverage(
    _ tensors: [String: TensorInfo], of data: Range<Int>, path: String
  ) throws(CheckpointError) {
    let inOrder = tensors.sorted {
      ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key)
        < ($1.value.range.lowerBound, $1.value.range.upperBound, $1.key)
    }
    var position = data.lowerBound
    for (name, info) in inOrder {
      let start = info.range.lowerBound
      guard start == position else {
        let fault = start < position ? "overlaps the tensor before it" : "leaves a gap before it"
        throw .malformed(path: path, what: "tensor '\(name)' \(fault)")
      }
      position = info.range.upperBound
      guard position <= data.upperBound else {
        throw .truncated(
          path: path, what: "tensor '\(name)'", needed: info.range.count,
          available: data.upperBound - start)
      }
    }
    guard position == data.upperBound else {
      throw .malformed(
        path: path, what: "\(data.upperBound - position) bytes after the last tensor")
    }
  }
}
