// SPDX-License-Identifier: Apache-2.0

/// A GGUF file, versions 2 and 3: metadata, then tensors, little-endian.
///
/// Everything is checked when the file is opened; strings, arrays and weights are read when asked
/// for. Shapes are row-major here, outermost extent first; the file has them the other way round.
struct GGUFFile: Sendable {
  let contents: FileContents
  let metadata: [String: GGUFValue]
  let tensors: [String: TensorInfo]

  /// Opens the file at `path` by mapping it into memory.
  init(path: String) throws(CheckpointError) {
    try self.init(FileContents(path: path))
  }

  /// A file that is open already.
  init(_ contents: FileContents) throws(CheckpointError) {
    self.contents = contents
    (metadata, tensors) = try contents.withBytes { (bytes) throws(CheckpointError) in
      var cursor = ByteCursor(bytes, path: contents.path)
      let (tensorCount, valueCount) = try Self.readHeader(&cursor)
      let metadata = try Self.readMetadata(&cursor, count: valueCount)
      let alignment = try Self.alignment(metadata, path: contents.path)
      let tensors = try Self.readTensors(
        &cursor, count: tensorCount, alignment: alignment, fileSize: bytes.count)
      return (metadata, tensors)
    }
  }

  private static func readHeader(
    _ cursor: inout ByteCursor
  ) throws(CheckpointError) -> (tensorCount: UInt64, valueCount: UInt64) {
    let magic = try cursor.integer(UInt32.self, "the magic number")
    guard magic == 0x4655_4747 else {
      throw .malformed(
        path: cursor.path,
        what: "it does not begin with 'GGUF'; give a GGUF file or a Hugging Face folder")
    }
    let version = try cursor.integer(UInt32.self, "the version")
    guard 2...3 ~= version else {
      let order = version.byteSwapped <= 3 ? "big-endian GGUF" : "GGUF version \(version)"
      throw .unsupported(path: cursor.path, what: order, supported: "versions 2 and 3")
    }
    let tensorCount = try cursor.integer(UInt64.self, "the number of tensors")
    return (tensorCount, try cursor.integer(UInt64.self, "the number of values"))
  }

  private static func readMetadata(
    _ cursor: inout ByteCursor, count: UInt64
  ) throws(CheckpointError) -> [String: GGUFValue] {
    var metadata: [String: GGUFValue] = [:]
    var index: UInt64 = 0
    while index < count {
      let key = try cursor.text("metadata key \(index)")
      let typeNumber = try cursor.integer(UInt32.self, "the type of '\(key)'")
      guard let type = GGUFValueType(rawValue: typeNumber) else {
        throw .malformed(path: cursor.path, what: "'\(key)' has the unknown type \(typeNumber)")
      }
      let value = try GGUFValue(type, from: &cursor, key: key)
      guard metadata.updateValue(value, forKey: key) == nil else {
        throw .malformed(path: cursor.path, what: "the key '\(key)' occurs twice")
      }
      index += 1
    }
    return metadata
  }

  private static func alignment(
    _ metadata: [String: GGUFValue], path: String
  ) throws(CheckpointError) -> Int {
    guard let value = metadata["general.alignment"] else { return 32 }
    guard case .integer(let alignment) = value, 1...(1 << 20) ~= alignment,
      alignment & (alignment - 1) == 0
    else {
      throw .malformed(path: path, what: "general.alignment is no power of two up to 2^20")
    }
    return alignment
  }

  private static func readTensors(
    _ cursor: inout ByteCursor, count: UInt64, alignment: Int, fileSize: Int
  ) throws(CheckpointError) -> [String: TensorInfo] {
    var entries: [(name: String, type: ElementType, shape: [Int], offset: Int)] = []
    var names: Set<String> = []
    var index: UInt64 = 0
    while index < count {
      let entry = try readEntry(&cursor, index: index)
      guard names.insert(entry.name).inserted else {
        throw .malformed(path: cursor.path, what: "the tensor '\(entry.name)' occurs twice")
      }
      entries.append(entry)
      index += 1
    }
    let dataStart = (cursor.position + alignment - 1) & ~(alignment - 1)
    var tensors: [String: TensorInfo] = [:]
    for (name, type, shape, offset) in entries {
      guard offset & (alignment - 1) == 0, offset <= Int.max - dataStart,
        let info = TensorInfo(type: type, shape: shape, offset: dataStart + offset)
      else {
        throw .malformed(
          path: cursor.path,
          what: "tensor '\(name)' of \(type.rawValue) \(shape) at the offset \(offset)")
      }
      guard info.range.upperBound <= fileSize else {
        throw .truncated(
          path: cursor.path, what: "tensor '\(name)'", needed: info.range.count,
          available: max(0, fileSize - info.range.lowerBound))
      }
      tensors[name] = info
    }
    try refuseOverlaps(tensors, path: cursor.path)
    return tensors
  }

  private static func readEntry(
    _ cursor: inout ByteCursor, index: UInt64
  ) throws(CheckpointError) -> (name: String, type: ElementType, shape: [Int], offset: Int) {
    let name = try cursor.text("the name of tensor \(index)")
    let extentCount = try cursor.integer(UInt32.self, "the shape of '\(name)'")
    guard 1...4 ~= extentCount else {
      throw .malformed(path: cursor.path, what: "tensor '\(name)' has \(extentCount) extents")
    }
    var shape: [Int] = []
    for _ in 0..<extentCount {
      let extent = try cursor.integer(UInt64.self, "the shape of '\(name)'")
      guard extent > 0, let extent = Int(exactly: extent) else {
        throw .malformed(path: cursor.path, what: "tensor '\(name)' has an extent of \(extent)")
      }
      shape.insert(extent, at: 0)
    }
    let number = try cursor.integer(UInt32.self, "the type of '\(name)'")
    guard let type = ElementType(ggmlNumber: number) else {
      throw .unsupported(
        path: cursor.path,
        what: "the type \(ElementType.ggmlName(number)) of tensor '\(name)'",
        supported: "F32, F16, BF16, Q4_0, Q4_1, Q8_0, Q4_K, Q6_K")
    }
    let offset = try cursor.integer(UInt64.self, "the offset of '\(name)'")
    guard let offset = Int(exactly: offset) else {
      throw .malformed(path: cursor.path, what: "tensor '\(name)' has the offset \(offset)")
    }
    return (name, type, shape, offset)
  }

  private static func refuseOverlaps(
    _ tensors: [String: TensorInfo], path: String
  ) throws(CheckpointError) {
    let inOrder = tensors.sorted { $0.value.range.lowerBound < $1.value.range.lowerBound }
    for (first, second) in zip(inOrder, inOrder.dropFirst())
    where first.value.range.upperBound > second.value.range.lowerBound {
      throw .malformed(path: path, what: "tensors '\(first.key)' and '\(second.key)' overlap")
    }
  }
}
