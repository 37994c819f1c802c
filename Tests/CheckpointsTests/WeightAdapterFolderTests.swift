// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Checkpoints

/// Folders of adapters that change weights.
@Suite struct WeightAdapterFolderTests {
  private let folder = FileManager.default.temporaryDirectory
    .appending(path: "tern-weight-adapter-\(UUID().uuidString)").path()

  private let sparse = WeightAdapter(
    .sparse(rank: 1),
    modules: [
      WeightAdapter.Module(
        name: "model.layers.0.mlp.up_proj", values: [0.5, -1, 2], rows: [0, 0, 3],
        columns: [1, 4, 0]),
      WeightAdapter.Module(
        name: "model.layers.1.mlp.up_proj", values: [1, 1, 1], rows: [2, 1, 0],
        columns: [0, 0, 0]),
    ], baseModel: "base")

  private let scales = WeightAdapter(
    .scales(blockLength: 32),
    modules: [WeightAdapter.Module(name: "model.layers.0.mlp.up_proj", values: [0.25, -0.5])])

  @Test func whatIsWrittenIsRead() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for adapter in [sparse, scales] {
      try adapter.write(to: folder)
      #expect(try WeightAdapter(folder: folder) == adapter)
      #expect(try AdapterFolder(reading: folder) == .weights(adapter))
    }
    try PEFTAdapter(
      modules: [
        PEFTAdapter.Module(
          name: "model.layers.0.mlp.up_proj", rank: 1, scale: 1, a: [1], b: [2], inputWidth: 1,
          outputWidth: 1)
      ]
    ).write(to: folder)
    #expect(try WeightAdapter(folder: folder) == nil)
    guard case .lora = try AdapterFolder(reading: folder) else {
      Issue.record("factors of low rank")
      return
    }
  }

  @Test func aConfigurationThatIsNoneIsRefused() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try sparse.write(to: folder)
    let path = "\(folder)/adapter_config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    for (part, other) in [
      ("\"r\": 1", "\"r\": 0"), ("\"r\": 1", "\"r\": \"one\""),
      ("\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]"),
      ("\"fan_in_fan_out\": false", "\"fan_in_fan_out\": true"),
      ("\"SHIRA\"", "\"TERN_SCALES\""), ("up_proj", "down_proj"),
    ] {
      try #require(text.contains(part))
      try text.replacing(part, with: other).write(
        toFile: path, atomically: true, encoding: .utf8)
      #expect(throws: CheckpointError.self, "\(other)") { try WeightAdapter(folder: folder) }
    }
  }

  @Test func tensorsThatDoNotBelongTogetherAreRefused() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try sparse.write(to: folder)
    let path = "\(folder)/adapter_model.safetensors"
    let name = "base_model.model.model.layers.0.mlp.up_proj"
    let (weight, indices) = ("\(name).shira_weight", "\(name).shira_indices")
    func refusal(
      _ tensors: [(name: String, shape: [Int], values: [Float])],
      _ integers: [(name: String, shape: [Int], values: [Int32])]
    ) throws -> CheckpointError? {
      try SafetensorsFile.write(tensors: tensors, integers: integers, metadata: [:], to: path)
      do throws(CheckpointError) {
        _ = try WeightAdapter(folder: folder)
        return nil
      } catch {
        return error
      }
    }
    #expect(try refusal([(weight, [1], [1])], [(indices, [2, 1], [0, 0])]) == nil)
    for (tensors, integers) in [
      ([(weight, [1], [1])], []), ([], [(indices, [2, 1], [0, 0])]),
      ([(weight, [1], [1])], [(indices, [1, 2], [0, 0])]),
      ([(weight, [1], [1])], [(indices, [2, 2], [0, 0, 0, 0])]),
      ([(weight, [1], [1]), (indices, [2, 1], [0, 0])], []),
      ([(weight, [1], [.infinity])], [(indices, [2, 1], [0, 0])]),
      ([(weight, [1], [1]), ("\(name).scales", [1], [1])], [(indices, [2, 1], [0, 0])]),
    ] as [([(String, [Int], [Float])], [(String, [Int], [Int32])])] {
      let error = try refusal(tensors, integers)
      #expect(error != nil, "\(tensors) \(integers)")
      #expect(!"\(String(describing: error))".contains("\n"))
    }
  }

  @Test func everyTruncationIsRefused() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try sparse.write(to: folder)
    let path = "\(folder)/adapter_model.safetensors"
    let bytes = try Data(contentsOf: URL(filePath: path))
    for count in 0..<bytes.count {
      try bytes.prefix(count).write(to: URL(filePath: path))
      #expect(throws: CheckpointError.self) { try WeightAdapter(folder: folder) }
    }
  }
}
