// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import JSON

extension SafetensorsFile {
  /// Writes F32 tensors to `path`, whole or not at all, sorted by name.
  ///
  /// - Precondition: names are distinct, and each tensor has as many values as its shape says.
  public static func write(
    tensors: [(name: String, shape: [Int], values: [Float])], metadata: [String: String],
    to path: String
  ) throws(CheckpointError) {
    let sorted = tensors.sorted { $0.name < $1.name }
    for (tensor, next) in zip(sorted, sorted.dropFirst()) {
      precondition(tensor.name != next.name, "tensor \(tensor.name) is written twice")
    }
    let header = header(sorted.map { ($0.name, $0.shape, $0.values.count) }, metadata: metadata)
    try writing(path) { (file) throws(FileError) in
      try file.write { (write: DurableFile.Writer) throws(FileError) in
        try FileContents(bytes: header, named: path).withBytes(write)
        for tensor in sorted {
          try tensor.values.withUnsafeBufferPointer { (values) throws(FileError) in
            try write(UnsafeRawBufferPointer(values))
          }
        }
      }
    }
  }

  /// The length and the JSON of the header, filled up with spaces so that the data is aligned to 8.
  private static func header(
    _ tensors: [(name: String, shape: [Int], count: Int)], metadata: [String: String]
  ) -> [UInt8] {
    var members: [JSONValue.Member] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key < $1.key }
        .map { JSONValue.Member(name: $0.key, value: .string($0.value)) }
      members.append(JSONValue.Member(name: "__metadata__", value: .object(texts)))
    }
    var offset = 0
    for (name, shape, count) in tensors {
      precondition(
        shape.reduce(1, *) == count, "\(count) values for tensor \(name) of shape \(shape)")
      let end = offset + count * ElementType.float32.blockByteCount
      let entry: [JSONValue.Member] = [
        JSONValue.Member(name: "dtype", value: .string(ElementType.float32.rawValue)),
        JSONValue.Member(name: "shape", value: .array(shape.map { .integer($0) })),
        JSONValue.Member(name: "data_offsets", value: .array([.integer(offset), .integer(end)])),
      ]
      members.append(JSONValue.Member(name: name, value: .object(entry)))
      offset = end
    }
    var json = Array(JSONValue.object(members).compactText.utf8)
    json += [UInt8](repeating: UInt8(ascii: " "), count: -json.count & 7)
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
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
