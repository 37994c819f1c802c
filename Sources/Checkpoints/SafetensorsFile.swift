// SPDX-License-Identifier: Apache-2.0

/// A safetensors file: named tensors of plain values behind a JSON header.
///
/// Everything is checked when the file is opened; values are read, and converted, when asked for.
public struct SafetensorsFile: Sendable {
  /// The tensors by name.
  public let tensors: [String: TensorInfo]
  /// The header's `__metadata__`.
  public let metadata: [String: String]

  let contents: FileContents

  /// Opens the file at `path` by mapping it into memory.
  ///
  /// - Throws: for a file that cannot be read or does not keep to the format.
  public init(path: String) throws(CheckpointError) {
    try self.init(FileContents(path: path))
  }

  /// A file that is in memory already; errors speak of `name`.
  public init(bytes: [UInt8], named name: String = "safetensors data") throws(CheckpointError) {
    try self.init(FileContents(bytes: bytes, named: name))
  }

  private init(_ contents: FileContents) throws(CheckpointError) {
    self.contents = contents
    (tensors, metadata) = try contents.withBytes { (bytes) throws(CheckpointError) in
      let header = try SafetensorsHeader(bytes, path: contents.path)
      return (header.tensors, header.metadata)
    }
  }

  /// The values of a tensor, converted to floats, row-major; not checked for finiteness.
  ///
  /// - Throws: `missing` or `notFloats`.
  public func floats(of name: String) throws(CheckpointError) -> [Float] {
    let info = try info(of: name)
    var values = [Float](repeating: 0, count: info.count)
    try values.withUnsafeMutableBufferPointer { (target) throws(CheckpointError) in
      try read(name, into: target)
    }
    return values
  }

  /// Converts the values of a tensor to floats in `target`; not checked for finiteness.
  ///
  /// - Precondition: `target` has as many elements as the tensor.
  /// - Throws: `missing` or `notFloats`.
  public func read(
    _ name: String, into target: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    let info = try info(of: name)
    guard info.type.isReadAsFloats else {
      throw .notFloats(tensor: name, type: info.type.rawValue)
    }
    contents.withBytes(in: info.range) { info.type.expand($0, into: target) }
  }

  /// The stored bytes of a tensor, of whatever type.
  ///
  /// - Throws: `missing`.
  public func bytes(of name: String) throws(CheckpointError) -> [UInt8] {
    contents.withBytes(in: try info(of: name).range) { Array($0) }
  }

  private func info(of name: String) throws(CheckpointError) -> TensorInfo {
    guard let info = tensors[name] else {
      throw .missing(path: contents.path, what: "tensor '\(name)'")
    }
    return info
  }
}
