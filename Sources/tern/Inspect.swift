// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Files
import Foundation
import Programs
import Updates

/// The command `tern inspect`.
struct Inspect: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what is in a checkpoint, a PEFT adapter folder or an update file.")

  @Argument(help: "A checkpoint (folder or GGUF file), an adapter folder, or an update file.")
  var path: String

  @Option(help: "text or json.")
  var format = OutputFormat.text

  func run() async throws {
    try await reportingErrors {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw InputError("there is nothing at \(path)")
      }
      if isFolder.boolValue,
        FileManager.default.fileExists(atPath: path + "/adapter_config.json")
      {
        try inspectAdapter()
      } else if try isFolder.boolValue || startsLikeGGUF() {
        try inspectCheckpoint()
      } else {
        try inspectUpdate()
      }
    }
  }

  private func startsLikeGGUF() throws -> Bool {
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw InputError("cannot read \(path)")
    }
    defer { try? handle.close() }
    return try handle.read(upToCount: 4) == Data("GGUF".utf8)
  }

  private struct CheckpointOutput: Encodable {
    let kind = "checkpoint"
    let configuration: ModelConfiguration
    let digest: String
    let tensors: Int
    let parameters: Int
  }

  private func inspectCheckpoint() throws {
    let checkpoint = try Checkpoint(path: path)
    let counts = checkpoint.tensorNames.map {
      checkpoint.shape(of: $0)?.reduce(1, *) ?? 0
    }
    let output = CheckpointOutput(
      configuration: checkpoint.configuration, digest: "\(checkpoint.digest())",
      tensors: counts.count, parameters: counts.reduce(0, +))
    try printResult(of: "inspect", as: format, output) {
      let c = output.configuration
      return """
        checkpoint \(path)
        family      \(c.family.rawValue), \(c.layerCount) blocks of width \(c.width)
        heads       \(c.headCount) of \(c.headWidth), \(c.keyValueHeadCount) for keys and values
        vocabulary  \(c.vocabularySize)\(c.tiedHead ? ", head tied to the embedding" : "")
        context     \(c.contextLength)
        parameters  \(output.parameters) in \(output.tensors) tensors
        digest      \(output.digest)
        """
    }
  }

  private struct AdapterOutput: Encodable {
    struct Module: Encodable {
      let name: String
      let rank: Int
      let scale: Float
    }
    let kind = "adapter"
    let baseModel: String?
    let parameters: Int
    let modules: [Module]
  }

  private func inspectAdapter() throws {
    switch try AdapterFolder(reading: path) {
    case .lora(let adapter): try inspect(adapter)
    case .weights(let adapter): try inspect(adapter)
    }
  }

  private func inspect(_ adapter: PEFTAdapter) throws {
    let output = AdapterOutput(
      baseModel: adapter.baseModel,
      parameters: adapter.modules.reduce(0) { $0 + $1.a.count + $1.b.count },
      modules: adapter.modules.map { .init(name: $0.name, rank: $0.rank, scale: $0.scale) })
    try printResult(of: "inspect", as: format, output) {
      let ranks = Set(output.modules.map(\.rank)).sorted().map(String.init)
      let scales = Set(output.modules.map(\.scale)).sorted().map { "\($0)" }
      return """
        adapter \(path)
        base        \(output.baseModel ?? "not said")
        modules     \(output.modules.count)
        rank        \(ranks.joined(separator: ", "))
        scale       \(scales.joined(separator: ", "))
        parameters  \(output.parameters)
        """
    }
  }

  private struct WeightAdapterOutput: Encodable {
    struct Module: Encodable {
      let name: String
      let parameters: Int
    }
    let kind = "adapter"
    let form: String
    let rank: Int?
    let blockLength: Int?
    let baseModel: String?
    let parameters: Int
    let modules: [Module]
  }

  private func inspect(_ adapter: WeightAdapter) throws {
    var (form, rank, blockLength) = ("sparse", Int?.none, Int?.none)
    switch adapter.form {
    case .sparse(let value): rank = value
    case .scales(let value): (form, blockLength) = ("scales", value)
    }
    let output = WeightAdapterOutput(
      form: form, rank: rank, blockLength: blockLength, baseModel: adapter.baseModel,
      parameters: adapter.modules.reduce(0) { $0 + $1.values.count },
      modules: adapter.modules.map { .init(name: $0.name, parameters: $0.values.count) })
    try printResult(of: "inspect", as: format, output) {
      """
      adapter \(path)
      base        \(output.baseModel ?? "not said")
      modules     \(output.modules.count)
      form        \(form)\(rank.map { ", as many values as of rank \($0)" } ?? "")\
      \(blockLength.map { " of \($0) weights each" } ?? "")
      parameters  \(output.parameters)
      """
    }
  }

  private struct UpdateOutput: Encodable {
    let kind = "update"
    let codec: String
    let tensors: Int
    let parameters: Int
    let nonZeros: Int
    let bytes: Int
    let bitsPerParameter: Double
    let entropyBits: Double
  }

  private func inspectUpdate() throws {
    let bytes = Array(try Data(contentsOf: URL(filePath: path)))
    if try DirectionsUpdate.begins(Payload(bytes)) { return try inspectWalks(bytes) }
    let summary = try UpdateSummary(of: bytes)
    let output = UpdateOutput(
      codec: summary.codec, tensors: summary.tensors.count, parameters: summary.parameterCount,
      nonZeros: summary.nonZeroCount, bytes: bytes.count,
      bitsPerParameter: summary.bitsPerParameter, entropyBits: summary.entropyBitCount)
    try printResult(of: "inspect", as: format, output) {
      """
      update \(path)
      codec       \(output.codec)
      parameters  \(output.parameters) in \(output.tensors) tensors
      non-zeros   \(output.nonZeros)
      bytes       \(output.bytes), \(fixed(output.bitsPerParameter, 4)) bits a parameter
      """
    }
  }

  private struct WalksOutput: Encodable {
    struct Walk: Encodable {
      let key: UInt64
      let steps: Int
      let terms: Int
    }
    let kind = "update"
    let codec = "directions"
    let walks: [Walk]
    let bytes: Int
  }

  private func inspectWalks(_ bytes: [UInt8]) throws {
    let walks = try DirectionsUpdate(bytes).walks.map { walk in
      WalksOutput.Walk(
        key: walk.key, steps: walk.steps.count,
        terms: walk.steps.reduce(0) { $0 + $1.terms.count })
    }
    let output = WalksOutput(walks: walks, bytes: bytes.count)
    try printResult(of: "inspect", as: format, output) {
      """
      update \(path)
      codec       \(output.codec)
      walks       \(walks.count)
      steps       \(walks.reduce(0) { $0 + $1.steps }) along \
      \(walks.reduce(0) { $0 + $1.terms }) directions
      bytes       \(output.bytes)
      """
    }
  }
}
