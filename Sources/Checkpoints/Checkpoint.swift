// SPDX-License-Identifier: Apache-2.0
public import Digests
internal import FoundationEssentials

/// The weights of a model and all that belongs to them: a Hugging Face folder, or a GGUF file.
///
/// Files are mapped and checked when the checkpoint is opened: every tensor that the configuration
/// asks for is there, in its shape, of a type that can be read. Values are converted when asked for.
/// Names are always Hugging Face's, as in `model.layers.0.self_attn.q_proj.weight`.
public struct Checkpoint: Sendable {
  /// What the model looks like.
  public let configuration: ModelConfiguration
  /// The folder or file it was opened from.
  public let path: String
  /// The names of the model's tensors: embedding, blocks, last norm, head unless tied.
  public let tensorNames: [String]
  /// The stored tensors that the model does not use, sorted; transformers ignores them too.
  public let unusedTensorNames: [String]

  private let tensors: [String: StoredTensor]
  private let source: Source

  private enum Source: Sendable {
    case folder
    case gguf(GGUFFile)
  }

  /// Opens the folder, or the `.gguf` file, at `path`.
  ///
  /// - Throws: for files that cannot be read, that break their format, or that ask for a model
  ///   which Tern cannot compute.
  public init(path: String) throws(CheckpointError) {
    var configuration: ModelConfiguration
    var stored: [String: StoredTensor]
    if FileContents.isFolder(path) {
      configuration = try ModelConfiguration(huggingFace: "\(path)/config.json")
      stored = try HuggingFaceFolder.completeNames(
        of: HuggingFaceFolder.tensors(in: path), configuration)
      HuggingFaceFolder.settleHead(&configuration, &stored)
      source = .folder
    } else {
      let file = try GGUFFile(path: path)
      let model = try GGUFModel(file)
      configuration = model.configuration
      stored = model.tensors
      source = .gguf(file)
    }
    self.configuration = configuration
    self.path = path
    tensors = try Self.checked(stored, configuration: configuration, path: path)
    tensorNames = configuration.tensorShapes.map(\.name)
    unusedTensorNames = stored.keys.filter { [tensors] in tensors[$0] == nil }.sorted()
  }

  /// The shape of a tensor, outermost extent first; nil if the model has none of that name.
  public func shape(of name: String) -> [Int]? { tensors[name]?.info.shape }

  /// How a tensor is stored; nil if the model has none of that name.
  public func type(of name: String) -> ElementType? { tensors[name]?.info.type }

  /// The values of a tensor as floats, row-major, all finite.
  ///
  /// - Throws: `missing`, `notFinite`.
  public func floats(of name: String) throws(CheckpointError) -> [Float] {
    try tensor(name).floats(named: name)
  }

  /// A tensor of two extents as it is stored, all finite, or in fewer bits.
  ///
  /// - Parameter quantization: nil to leave it as it is stored.
  /// - Precondition: the tensor has two extents.
  /// - Throws: `missing`, `notFinite`.
  public func matrix(
    _ name: String, quantization: Quantization? = nil
  ) throws(CheckpointError) -> StoredMatrix {
    try StoredMatrix(tensor(name), named: name, quantization: quantization)
  }

  /// What a tensor of two extents loses in fewer bits: its values minus those that are left, row-major.
  ///
  /// - Precondition: the tensor has two extents.
  /// - Throws: `missing`, `notFinite`.
  public func quantizationError(
    of name: String, in quantization: Quantization
  ) throws(CheckpointError) -> [Float] {
    let left = try matrix(name, quantization: quantization)
    let tensor = try tensor(name)
    var error = try tensor.floats(named: name)
    tensor.releasePages()
    var room = [Float](repeating: 0, count: left.columnCount)
    for row in 0..<left.rowCount {
      room.withUnsafeMutableBufferPointer { left.expand(rows: row..<(row + 1), into: $0) }
      for (column, value) in room.enumerated() { error[row * left.columnCount + column] -= value }
    }
    return error
  }

  /// What the tokenizer is made from.
  ///
  /// - Throws: `missing` if there is no `tokenizer.json` or no vocabulary.
  public func tokenizerSource() throws(CheckpointError) -> TokenizerSource {
    switch source {
    case .folder: try HuggingFaceFolder.tokenizer(in: path)
    case .gguf(let file): .gguf(try GGUFVocabulary(file))
    }
  }

  /// The SHA-256 of the configuration and of every tensor's name, shape, type and stored bytes.
  ///
  /// Equal digests mean equal weights; the same weights stored differently have different ones.
  ///
  /// - Complexity: reads every byte of the weights.
  public func digest() -> Digest {
    var hasher = DigestHasher()
    hasher.update(canonicalConfiguration)
    for name in tensorNames {
      guard let tensor = tensors[name] else { preconditionFailure("no tensor \(name)") }
      hasher.update(Array("\n\(name) \(tensor.info.type.rawValue) \(tensor.info.shape)\n".utf8))
      tensor.appendStoredBytes(to: &hasher)
      tensor.releasePages()
    }
    return hasher.finalized()
  }

  /// The configuration as JSON with sorted keys: the same bytes for equal configurations.
  private var canonicalConfiguration: [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let data = try? encoder.encode(configuration) else {
      preconditionFailure("a checked configuration that cannot be encoded: \(configuration)")
    }
    return Array(data)
  }

  private func tensor(_ name: String) throws(CheckpointError) -> StoredTensor {
    guard let tensor = tensors[name] else { throw .missing(path: path, what: "tensor '\(name)'") }
    return tensor
  }

  /// The stored tensors that the model asks for, each in the shape it asks for.
  private static func checked(
    _ stored: [String: StoredTensor], configuration: ModelConfiguration, path: String
  ) throws(CheckpointError) -> [String: StoredTensor] {
    var tensors: [String: StoredTensor] = [:]
    for (name, shape) in configuration.tensorShapes {
      guard let tensor = stored[name] else {
        throw .missing(path: path, what: "tensor '\(name)'")
      }
      guard tensor.info.shape == shape else {
        throw .wrongShape(tensor: name, expected: shape, found: tensor.info.shape)
      }
      let isOrdered = tensor.interleavedHeads == nil || tensor.info.rowCount == shape[0]
      guard tensor.info.type.isReadAsFloats, isOrdered else {
        throw .notFloats(tensor: name, type: tensor.info.type.rawValue)
      }
      tensors[name] = tensor
    }
    return tensors
  }
}
