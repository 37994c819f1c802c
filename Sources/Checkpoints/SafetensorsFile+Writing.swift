// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import JSON

extension SafetensorsFile {
  /// Writes F32 and I32 tensors to `path`, whole or not at all, sorted by name.
  ///
  /// - Precondition: names are distinct, and each tensor has as many values as its shape says.
  public static func write(
    tensors: [(name: String, shape: [Int], values: [Float])],
    integers: [(name: String, shape: [Int], values: [Int32])] = [], metadata: [String: String],
    to path: String
  ) throws(CheckpointError) {
    let drafts =
      tensors.map { Draft(name: $0.name, shape: $0.shape, values: .floats($0.values)) }
      + integers.map { Draft(name: $0.name, shape: $0.shape, values: .integers($0.values)) }
    let sorted = drafts.sorted { $0.name < $1.name }
    for (tensor, next) in zip(sorted, sorted.dropFirst()) {
      precondition(tensor.name != next.name, "tensor \(tensor.name) is written twice")
    }
    let header = header(sorted, metadata: metadata)
    try writing(path) { (file) throws(FileError) in
      try file.write { (write: DurableFile.Writer) throws(FileError) in
        try FileContents(bytes: header, named: path).withBytes(write)
        for tensor in sorted { try tensor.withBytes(write) }
      }
    }
  }

  /// The length and the JSON of the header, filled up with spaces so that the data is aligned to 8.
  private static func header(
    _ tensors: [Draft], metadata: [String: String]
  ) -> [UInt8] {
    var members: [JSONValue.Member] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key < $1.key }
        .map { JSONValue.Member(name: $0.key, value: .string($0.value)) }
      members.append(JSONValue.Member(name: "__metadata__", value: .object(texts)))
    }
    var offset = 0
    for tensor in tensors {
      precondition(
        tensor.shape.reduce(1, *) == tensor.count,
        "\(tensor.count) values for tensor \(tensor.name) of shape \(tensor.shape)")
      let end = offset + tensor.count * tensor.type.blockByteCount
      let entry: [JSONValue.Member] = [
        JSONValue.Member(name: "dtype", value: .string(tensor.type.rawValue)),
        JSONValue.Member(name: "shape", value: .array(tensor.shape.map { .integer($0) })),
        JSONValue.Member(name: "data_offsets", value: .array([.integer(offset), .integer(end)])),
      ]
      members.append(JSONValue.Member(name: tensor.name, value: .object(entry)))
      offset = end
    }
    var json = Array(JSONValue.object(members).compactText.utf8)
    json += [UInt8](repeating: UInt8(ascii: " "), count: -json.count & 7)
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
  }
}

/// A tensor that is to be written.
private struct Draft {
  enum Values {
    case floats([Float])
    case integers([Int32])
  }

  let name: String
  let shape: [Int]
  let values: Values

  var count: Int {
    switch values {
    case .floats(let values): values.count
    case .integers(let values): values.count
    }
  }

  var type: ElementType {
    switch values {
    case .floats: .float32
    case .integers: .int32
    }
  }

  func withBytes(
    _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    switch values {
    case .floats(let values):
      try values.withUnsafeBufferPointer { (values) throws(FileError) in
        try body(UnsafeRawBufferPointer(values))
      }
    case .integers(let values):
      try values.withUnsafeBufferPointer { (values) throws(FileError) in
        try body(UnsafeRawBufferPointer(values))
      }
    }
  }
}

/// Lets `body` write the file at `path`, as readable as any other, whole or not at all.
func writing(
  _ path: String, _ body: (DurableFile) throws(FileError) -> Void
) throws(CheckpointError) {
  do throws(FileError) {
    try body(DurableFile(path: path, mode: 0o644))
  } catch {
    throw .unwritable(path: path, reason: error.reason)
  }
}
