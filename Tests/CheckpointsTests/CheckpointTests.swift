// SPDX-License-Identifier: Apache-2.0
import Digests
import Testing

@testable import Checkpoints

@Suite struct CheckpointTests {
  private func refusal(_ path: String) -> String {
    do throws(CheckpointError) {
      _ = try Checkpoint(path: path)
      return "accepted"
    } catch {
      return error.description
    }
  }

  @Test(arguments: [
    ("llama-gqa-tied", ModelConfiguration.Family.llama, true), ("llama-mqa-untied", .llama, false),
    ("llama3-ropescaled", .llama, true), ("mistral-swa8", .mistral, false),
    ("qwen2", .qwen2, true), ("qwen3", .qwen3, true), ("gpt2", .gpt2, true),
    ("gpt2-scaled", .gpt2, false), ("opt", .opt, true),
  ])
  func modelsOfTransformersAreRead(
    name: String, family: ModelConfiguration.Family, tied: Bool
  ) throws {
    let checkpoint = try Checkpoint(path: fixture(name))
    #expect(checkpoint.configuration.family == family)
    #expect(checkpoint.configuration.tiedHead == tied)
    #expect(checkpoint.unusedTensorNames == [])
    let file = try SafetensorsFile(path: fixture(name) + "/model.safetensors")
    #expect(checkpoint.tensorNames.count == file.tensors.count)
    for name in checkpoint.tensorNames {
      #expect(checkpoint.shape(of: name) == file.tensors[name]?.shape)
      #expect(try checkpoint.floats(of: name) == file.floats(of: name))
    }
    guard case .json(let tokenizer) = try checkpoint.tokenizerSource() else {
      Issue.record("no tokenizer.json")
      return
    }
    #expect(try tokenizer == fileBytes(fixture(name) + "/tokenizer.json"))
  }

  @Test func theFixturesConfigurationsAreAsWritten() throws {
    let scaled = try Checkpoint(path: fixture("llama3-ropescaled")).configuration
    #expect(
      scaled.ropeScaling
        == .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64))
    #expect(scaled.ropeTheta == 500000)
    let mqa = try Checkpoint(path: fixture("llama-mqa-untied")).configuration
    #expect(mqa.keyValueHeadCount == 1 && mqa.headWidth == 32 && mqa.width == 64)
    #expect(try Checkpoint(path: fixture("mistral-swa8")).configuration.slidingWindow == 8)
    #expect(try Checkpoint(path: fixture("qwen3")).configuration.queryKeyNorm)
    let plain = try Checkpoint(path: fixture("gpt2")).configuration
    #expect(plain.activation == .geluTanh && plain.scalesScoresByWidth)
    #expect(!plain.scalesScoresByLayer && plain.positionCount == 96)
    let odd = try Checkpoint(path: fixture("gpt2-scaled")).configuration
    #expect(odd.activation == .gelu && !odd.scalesScoresByWidth && odd.scalesScoresByLayer)
    let opt = try Checkpoint(path: fixture("opt")).configuration
    #expect(opt.activation == .relu && opt.positionCount == 94 && opt.beginToken == 2)
  }

  @Test func shardsAreJoined() throws {
    let folder = try TinyModel.folder()
    let whole = try Checkpoint(path: folder.path)
    let sharded = try TemporaryFolder()
    try sharded.write(TinyModel.config, to: "config.json")
    let tensors = TinyModel.tensors(whole.configuration)
    var map: [String] = []
    for (index, part) in [tensors[..<4], tensors[4...]].enumerated() {
      let shard = "model-0000\(index + 1)-of-00002.safetensors"
      try SafetensorsFile.write(
        tensors: Array(part), metadata: [:], to: "\(sharded.path)/\(shard)")
      map += part.map { "\"\($0.name)\": \"\(shard)\"" }
    }
    try sharded.write(
      "{\"metadata\": {}, \"weight_map\": {\(map.joined(separator: ","))}}",
      to: "model.safetensors.index.json")
    let joined = try Checkpoint(path: sharded.path)
    for name in whole.tensorNames {
      #expect(try joined.floats(of: name) == whole.floats(of: name))
    }
    #expect(joined.digest() == whole.digest())
  }

  @Test(arguments: ["../model.safetensors", "/etc/passwd", "..", "", "a/b", "\\u0000", "."])
  func anIndexMayNotLeadOutOfItsFolder(place: String) throws {
    let folder = try TemporaryFolder()
    try folder.write(TinyModel.config, to: "config.json")
    try folder.write(
      "{\"weight_map\": {\"model.norm.weight\": \"\(place)\"}}", to: "model.safetensors.index.json")
    #expect(refusal(folder.path).contains("no file of this folder"))
  }

  @Test func anIndexMustBeTrue() throws {
    let folder = try TinyModel.folder()
    let sharded = try TemporaryFolder()
    try sharded.write(TinyModel.config, to: "config.json")
    try sharded.write(fileBytes(folder.path + "/model.safetensors"), to: "a.safetensors")
    try sharded.write(
      #"{"weight_map": {"nothing": "a.safetensors"}}"#, to: "model.safetensors.index.json")
    #expect(refusal(sharded.path).contains("tensor 'nothing' of the index"))
    try sharded.write(
      #"{"weight_map": {"x": "b.safetensors"}}"#, to: "model.safetensors.index.json")
    #expect(refusal(sharded.path).contains("b.safetensors"))
    try sharded.write("{}", to: "model.safetensors.index.json")
    #expect(refusal(sharded.path).contains("no weight_map"))
  }

  @Test func weightsThatAreNotFiniteAreRefusedByName() throws {
    for value in [Float.nan, .infinity, -.infinity] {
      let folder = try TinyModel.folder { $0[5].values[3] = value }
      let checkpoint = try Checkpoint(path: folder.path)
      let name = TinyModel.tensors(checkpoint.configuration)[5].name
      #expect(throws: CheckpointError.notFinite(tensor: name, index: 3)) {
        try checkpoint.floats(of: name)
      }
      #expect(throws: Never.self) { try checkpoint.floats(of: checkpoint.tensorNames[4]) }
    }
  }

  @Test func tensorsMustBeThereInTheirShape() throws {
    let lacking = try TinyModel.folder { $0.removeLast() }
    #expect(refusal(lacking.path).contains("no tensor 'model.norm.weight'"))
    let misshapen = try TinyModel.folder { $0[1].shape = [2, 4] }
    #expect(
      throws: CheckpointError.wrongShape(
        tensor: "model.layers.0.input_layernorm.weight", expected: [8], found: [2, 4])
    ) { try Checkpoint(path: misshapen.path) }
  }

  @Test(arguments: TinyModel.others)
  func tensorsOfOtherFamiliesMustBeThereInTheirShape(config: String) throws {
    let whole = try TinyModel.folder(config: config)
    let names = try Checkpoint(path: whole.path).tensorNames
    for (index, name) in names.enumerated() {
      let lacking = try TinyModel.folder(config: config) { $0.remove(at: index) }
      #expect(refusal(lacking.path).contains("no tensor '\(name)'"))
      let misshapen = try TinyModel.folder(config: config) {
        $0[index].shape = [1] + $0[index].shape
      }
      #expect(refusal(misshapen.path).contains("tensor \(name) has shape [1, "))
    }
  }

  @Test(arguments: TinyModel.others)
  func modelsThatWereSavedWithoutTheirHeadAreRead(config: String) throws {
    let whole = try TinyModel.folder(config: config)
    let bare = try TinyModel.folder(config: config) { tensors in
      for index in tensors.indices {
        let parts = tensors[index].name.split(separator: ".").dropFirst()
        tensors[index].name = parts.joined(separator: ".")
      }
      // The first files of GPT-2 hold the mask of attention.
      tensors.append(("h.0.attn.bias", [1, 1, 2, 2], [1, 0, 1, 1]))
    }
    let (first, second) = (try Checkpoint(path: whole.path), try Checkpoint(path: bare.path))
    #expect(first.digest() == second.digest())
    #expect(second.unusedTensorNames.count == 1)
  }

  @Test func tensorsThatTheModelDoesNotUseAreListed() throws {
    let folder = try TinyModel.folder {
      $0.append(("lm_head.weight", [6, 8], $0[0].values))
      $0.append(("another", [1], [.nan]))
    }
    let checkpoint = try Checkpoint(path: folder.path)
    #expect(checkpoint.unusedTensorNames == ["another", "lm_head.weight"])
    #expect(checkpoint.shape(of: "lm_head.weight") == nil)
    let plain = try TinyModel.folder()
    #expect(try Checkpoint(path: plain.path).digest() == checkpoint.digest())
  }

  @Test func aHeadWithValuesOfItsOwnIsNotTied() throws {
    let folder = try TinyModel.folder {
      $0.append(("lm_head.weight", [6, 8], [Float](repeating: 9, count: 48)))
    }
    let checkpoint = try Checkpoint(path: folder.path)
    #expect(!checkpoint.configuration.tiedHead)
    #expect(try checkpoint.floats(of: "lm_head.weight")[47] == 9)
  }

  @Test func aTiedHeadStandsInForTheEmbedding() throws {
    let folder = try TinyModel.folder { $0[0].name = "lm_head.weight" }
    let checkpoint = try Checkpoint(path: folder.path)
    #expect(checkpoint.configuration.tiedHead)
    let values = TinyModel.tensors(checkpoint.configuration)[0].values
    #expect(try checkpoint.floats(of: "model.embed_tokens.weight") == values)
  }

  @Test func integersAreNoWeights() throws {
    let folder = try TinyModel.folder()
    var file = try fileBytes(folder.path + "/model.safetensors")
    let name = Array("\"F32\"".utf8)
    let place = try #require(
      file.indices.first { file[$0...].starts(with: name) })
    file.replaceSubrange(place..<(place + name.count), with: Array("\"I32\"".utf8))
    try folder.write(file, to: "model.safetensors")
    #expect(refusal(folder.path).contains("has type I32"))
  }

  @Test func theDigestKnowsEveryWeightAndEverySetting() throws {
    let folder = try TinyModel.folder()
    let digest = try Checkpoint(path: folder.path).digest()
    let same = try TinyModel.folder()
    #expect(try Checkpoint(path: same.path).digest() == digest)
    var others: Set<Digest> = [digest]
    let count = TinyModel.tensors(try TinyModel.configuration).count
    for index in 0..<count {
      let changed = try TinyModel.folder { $0[index].values[0] += 1 }
      #expect(others.insert(try Checkpoint(path: changed.path).digest()).inserted)
    }
    let config = TinyModel.config.replacing("1e-5", with: "1e-6")
    let setting = try TinyModel.folder(config: config)
    #expect(others.insert(try Checkpoint(path: setting.path).digest()).inserted)
  }

  @Test func everyTruncationOfAFolderIsRefused() throws {
    let folder = try TinyModel.folder()
    let weights = try fileBytes(folder.path + "/model.safetensors")
    for length in stride(from: 0, to: weights.count, by: 7) {
      try folder.write(Array(weights[..<length]), to: "model.safetensors")
      #expect(throws: CheckpointError.self) { try Checkpoint(path: folder.path) }
    }
    try folder.write(weights, to: "model.safetensors")
    let config = Array(TinyModel.config.utf8)
    for length in 0..<config.count {
      try folder.write(Array(config[..<length]), to: "config.json")
      #expect(throws: CheckpointError.self) { try Checkpoint(path: folder.path) }
    }
    try folder.write(config, to: "config.json")
    #expect(throws: Never.self) { try Checkpoint(path: folder.path) }
  }

  @Test func damagedFoldersNeverCrash() throws {
    let folder = try TinyModel.folder()
    let weights = try fileBytes(folder.path + "/model.safetensors")
    let config = Array(TinyModel.config.utf8)
    for (name, whole) in [("model.safetensors", weights), ("config.json", config)] {
      for index in stride(from: 0, to: whole.count, by: 5) {
        var damaged = whole
        damaged[index] ^= UInt8(truncatingIfNeeded: index) | 1
        try folder.write(damaged, to: name)
        guard let checkpoint = try? Checkpoint(path: folder.path) else { continue }
        for tensor in checkpoint.tensorNames { _ = try? checkpoint.floats(of: tensor) }
        _ = checkpoint.digest()
      }
      try folder.write(whole, to: name)
    }
  }

  @Test func whatIsNoCheckpointIsRefusedWithAdvice() throws {
    let folder = try TemporaryFolder()
    #expect(refusal(folder.path).contains("config.json"))
    try folder.write(TinyModel.config, to: "config.json")
    #expect(refusal(folder.path).contains("give a folder written by"))
    #expect(refusal(folder.path + "/absent").contains("No such file"))
    #expect(refusal(folder.path + "/config.json").contains("does not begin with 'GGUF'"))
    let tiny = try TinyModel.folder()
    #expect(throws: CheckpointError.self) {
      try Checkpoint(path: tiny.path).tokenizerSource()
    }
  }
}
