// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

@testable import Checkpoints

@Suite struct PEFTAdapterTests {
  private func module(_ name: String, rank: Int, scale: Float) -> PEFTAdapter.Module {
    PEFTAdapter.Module(
      name: name, rank: rank, scale: scale, a: (0..<(rank * 3)).map { Float($0) + 0.5 },
      b: (0..<(2 * rank)).map { 0.1 * Float($0) - 0.3 }, inputWidth: 3, outputWidth: 2)
  }

  private func query(_ layer: Int) -> String { "model.layers.\(layer).self_attn.q_proj" }

  /// `scale * B * A`, [outputWidth, inputWidth].
  private func product(_ module: PEFTAdapter.Module) -> [Float] {
    var product: [Float] = []
    for row in 0..<module.outputWidth {
      for column in 0..<module.inputWidth {
        var sum: Float = 0
        for k in 0..<module.rank {
          sum += module.b[row * module.rank + k] * module.a[k * module.inputWidth + column]
        }
        product.append(module.scale * sum)
      }
    }
    return product
  }

  /// A folder with the given configuration and tensors.
  private func folder(
    _ config: String, _ tensors: [(name: String, shape: [Int], values: [Float])]
  ) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write(config, to: "adapter_config.json")
    try SafetensorsFile.write(
      tensors: tensors, metadata: [:], to: folder.path + "/adapter_model.safetensors")
    return folder
  }

  private func pair(
    _ module: String, rank: Int, a: String = "lora_A.weight", b: String = "lora_B.weight"
  ) -> [(name: String, shape: [Int], values: [Float])] {
    [
      ("\(module).\(a)", [rank, 3], [Float](repeating: 1, count: rank * 3)),
      ("\(module).\(b)", [2, rank], [Float](repeating: 2, count: rank * 2)),
    ]
  }

  private func refusal(
    _ config: String, _ tensors: [(name: String, shape: [Int], values: [Float])]
  ) throws -> String {
    let folder = try folder(config, tensors)
    do throws(CheckpointError) {
      _ = try PEFTAdapter(folder: folder.path)
      return "accepted"
    } catch {
      return error.description
    }
  }

  @Test func adaptersOfPEFTAreRead() throws {
    let adapter = try PEFTAdapter(folder: fixture("llama-gqa-tied") + "/adapter")
    #expect(adapter.modules.count == 21)
    #expect(adapter.modules.allSatisfy { $0.rank == 4 && $0.scale == 2 })
    let down = try #require(adapter.modules.first { $0.name == "model.layers.1.mlp.down_proj" })
    #expect(down.inputWidth == 160 && down.outputWidth == 64)
    let file = try SafetensorsFile(
      path: fixture("llama-gqa-tied") + "/adapter/adapter_model.safetensors")
    #expect(
      try down.b == file.floats(of: "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"))
  }

  @Test func whatIsWrittenReadsTheSame() throws {
    let folder = try TemporaryFolder()
    let adapter = PEFTAdapter(
      modules: [module(query(0), rank: 2, scale: 8), module(query(1), rank: 2, scale: 8)],
      baseModel: "some/model")
    try adapter.write(to: folder.path + "/new")
    #expect(try PEFTAdapter(folder: folder.path + "/new") == adapter)
    // A second time over the first.
    try adapter.write(to: folder.path + "/new")
    #expect(try PEFTAdapter(folder: folder.path + "/new") == adapter)
  }

  @Test func theConfigurationIsAsPEFTWritesIt() throws {
    let folder = try TemporaryFolder()
    let adapter = PEFTAdapter(modules: [module(query(0), rank: 3, scale: 16 / 3)])
    try adapter.write(to: folder.path)
    let text = String(decoding: try fileBytes(folder.path + "/adapter_config.json"), as: UTF8.self)
    #expect(text.hasPrefix("{\n  \"alpha_pattern\": {},\n  \"base_model_name_or_path\": null,"))
    #expect(text.contains("\n  \"lora_alpha\": 16,\n"))
    #expect(text.contains("\n  \"r\": 3,\n"))
    #expect(text.contains("\"target_modules\": [\n    \"q_proj\"\n  ],"))
    let keys = text.split(separator: "\n").filter { $0.hasPrefix("  \"") }
    #expect(keys == keys.sorted())
    let file = try SafetensorsFile(path: folder.path + "/adapter_model.safetensors")
    #expect(file.metadata == ["format": "pt"])
    #expect(try PEFTAdapter(folder: folder.path) == adapter)
  }

  @Test func scalesWithoutAWholeAlphaGoIntoB() throws {
    let folder = try TemporaryFolder()
    let adapter = PEFTAdapter(modules: [module(query(0), rank: 2, scale: 0.3)])
    try adapter.write(to: folder.path)
    let found = try PEFTAdapter(folder: folder.path)
    #expect(found.modules[0].scale == 1)
    #expect(found.modules[0].b == adapter.modules[0].b.map { $0 * 0.3 })
  }

  @Test func mixedRanksAndScalesKeepTheirProducts() throws {
    let folder = try TemporaryFolder()
    let adapter = PEFTAdapter(modules: [
      module(query(0), rank: 1, scale: 2), module(query(1), rank: 4, scale: 0.7),
    ])
    try adapter.write(to: folder.path)
    let found = try PEFTAdapter(folder: folder.path)
    #expect(found.modules.map(\.rank) == [4, 4])
    for (before, after) in zip(adapter.modules, found.modules) {
      for (x, y) in zip(product(before), product(after)) {
        #expect(abs(x - y) <= 1e-5 * max(1, abs(x)))
      }
    }
  }

  @Test func modulesThatDoNotFillTheirLayersAreNamedInFull() throws {
    let folder = try TemporaryFolder()
    for names in [[query(1)], [query(0), "model.layers.1.mlp.up_proj"], ["lm_head"]] {
      try PEFTAdapter(modules: names.map { module($0, rank: 2, scale: 1) }).write(to: folder.path)
      let config = try JSONValue(path: folder.path + "/adapter_config.json")
      #expect(config["target_modules"]?.elements?.compactMap(\.text) == names.sorted())
    }
  }

  @Test(arguments: [
    (["attn.c_attn", "mlp.c_fc"], ["c_attn", "c_fc"]),
    (["attn.c_proj", "mlp.c_proj"], ["c_proj"]),
    (["mlp.c_proj", "mlp.c_fc"], ["c_fc", "mlp.c_proj"]),
  ])
  func whatIsCalledAlikeIsNamedApart(paths: [String], targets: [String]) throws {
    let folder = try TemporaryFolder()
    let modules = (0..<11).flatMap { layer in
      paths.map { module("transformer.h.\(layer).\($0)", rank: 2, scale: 1) }
    }
    let adapter = PEFTAdapter(modules: modules.sorted { $0.name < $1.name }, fanInFanOut: true)
    try adapter.write(to: folder.path)
    let config = try JSONValue(path: folder.path + "/adapter_config.json")
    #expect(config["target_modules"]?.elements?.compactMap(\.text) == targets)
    #expect(config["fan_in_fan_out"]?.truth == true)
    #expect(try PEFTAdapter(folder: folder.path) == adapter)
  }

  @Test func adaptersOfOtherFamiliesAreRead() throws {
    let gpt2 = try PEFTAdapter(folder: fixture("gpt2") + "/adapter")
    #expect(gpt2.modules.count == 12 && gpt2.fanInFanOut)
    let fused = try #require(gpt2.modules.first { $0.name == "transformer.h.0.attn.c_attn" })
    #expect(fused.inputWidth == 64 && fused.outputWidth == 192)
    let opt = try PEFTAdapter(folder: fixture("opt") + "/adapter")
    #expect(opt.modules.count == 18 && !opt.fanInFanOut)
    #expect(opt.modules.contains { $0.name == "model.decoder.layers.2.self_attn.out_proj" })
  }

  @Test(arguments: [
    ("base_model.model.", "lora_A.weight", "lora_B.weight"), ("", "lora_A.weight", "lora_B.weight"),
    ("base_model.model.", "lora_A.default.weight", "lora_B.default.weight"),
  ])
  func allNotationsOfNamesAreRead(prefix: String, a: String, b: String) throws {
    let folder = try folder(
      #"{"peft_type": "LORA", "r": 2, "lora_alpha": 6}"#,
      pair(prefix + query(0), rank: 2, a: a, b: b))
    let adapter = try PEFTAdapter(folder: folder.path)
    #expect(adapter.modules.map(\.name) == [query(0)])
    #expect(adapter.modules[0].scale == 3)
    #expect(adapter.baseModel == nil)
  }

  @Test func rankStabilisedScalesAreRead() throws {
    let folder = try folder(
      #"{"peft_type": "LORA", "r": 4, "lora_alpha": 6, "use_rslora": true}"#, pair("x", rank: 4))
    #expect(try PEFTAdapter(folder: folder.path).modules[0].scale == 3)
  }

  @Test func theFirstPatternThatMatchesCounts() throws {
    let folder = try folder(
      #"""
      {"peft_type": "LORA", "r": 1, "lora_alpha": 1,
       "rank_pattern": {"layers.0.self_attn.q_proj": 2, "q_proj": 3, "^model\\.layers\\.[2-9].*": 4},
       "alpha_pattern": {"model.layers.1.self_attn.q_proj": 9, "proj": 100, ".*q_proj": 8}}
      """#,
      [(0, 2), (1, 3), (2, 3)].flatMap { pair(query($0.0), rank: $0.1) }
        + pair("model.layers.2.mlp.up_proj", rank: 4) + pair("model.layers.0.mlp.up_proj", rank: 1))
    let found = try PEFTAdapter(folder: folder.path).modules
    #expect(found.map(\.rank) == [1, 2, 3, 4, 3])
    #expect(found.map(\.scale) == [1, 4, 3, 0.25, Float(8.0 / 3.0)])
  }

  @Test(arguments: ["target_modules", "rank_pattern", "alpha_pattern"])
  func aPatternMadeToBeSlowIsRefused(key: String) throws {
    let slow = "(([a-z]+)+)+[!?]"
    let value = key == "target_modules" ? "\"\(slow)\"" : "{\"\(slow)\": 2}"
    let name = String(repeating: "a", count: 60)
    let found = try refusal(
      "{\"peft_type\": \"LORA\", \"r\": 2, \"\(key)\": \(value)}", pair(name, rank: 2))
    #expect(found.contains("takes too long on 'aaaa"), "\(found)")
  }

  @Test(arguments: [
    (#""use_dora": true"#, "'use_dora'"), (#""lora_bias": true"#, "'lora_bias'"),
    (#""modules_to_save": ["lm_head"]"#, "'modules_to_save'"),
    (#""bias": "all""#, "bias 'all'"), (#""peft_type": "IA3""#, "'IA3'"),
    (#""target_parameters": ["x"]"#, "'target_parameters'"),
    (#""layer_replication": [[0, 4]]"#, "'layer_replication'"),
    (#""alora_invocation_tokens": [1]"#, "'alora_invocation_tokens'"),
    (#""trainable_token_indices": {"a": [1]}"#, "'trainable_token_indices'"),
    (#""use_qalora": true"#, "'use_qalora'"), (#""kasa_config": {"a": 1}"#, "'kasa_config'"),
    (#""init_lora_weights": "pissa""#, "'pissa'"), (#""rank_pattern": {"(": 1}"#, "pattern"),
    (#""rank_pattern": {"x": "y"}"#, "rank_pattern 'x'"),
    (#""alpha_pattern": {"x": "y"}"#, "alpha_pattern 'x'"),
    (#""lora_alpha": "x""#, "'lora_alpha'"), (#""r": 3"#, "rank 3"), (#""r": 0"#, "rank 0"),
    (#""target_modules": ["k_proj"]"#, "no module of target_modules"),
    (#""target_modules": ".*k_proj""#, "no module of target_modules"),
    (#""lora_alpha": 1e300"#, "scale"),
  ])
  func whatIsNotPlainLoRAIsRefusedByName(setting: String, words: String) throws {
    let rest = #""peft_type": "LORA", "r": 2, "lora_alpha": 4"#
    let name = setting.split(separator: ":")[0]
    let others = rest.split(separator: ",").filter { !$0.contains(name) }.joined(separator: ",")
    let found = try refusal("{\(setting),\(others)}", pair(query(0), rank: 2))
    #expect(found.contains(words), "\(found)")
  }

  @Test(arguments: [
    #""target_modules": "all-linear""#, #""target_modules": ["q_proj"]"#,
    #""target_modules": ".*q_proj""#, #""use_dora": false"#, #""modules_to_save": null"#,
    #""modules_to_save": []"#, #""layer_replication": null"#, #""init_lora_weights": "gaussian""#,
    #""unheard_of": 7"#, #""loftq_config": {}"#,
  ])
  func settingsWithoutEffectAreAccepted(setting: String) throws {
    let found = try refusal(
      "{\(setting), \"peft_type\": \"LORA\", \"r\": 2}", pair(query(0), rank: 2))
    #expect(found == "accepted")
  }

  @Test(arguments: [
    "x.lora_embedding_A", "x.lora_magnitude_vector", "model.norm.weight", "lora_A.weight",
    "x.lora_B.bias", ".lora_A.weight", "weight", "x..lora_A.weight",
  ])
  func otherTensorsAreRefusedByName(name: String) throws {
    let tensors = pair(query(0), rank: 2) + [(name, [1], [1])]
    #expect(try refusal(#"{"peft_type": "LORA", "r": 2}"#, tensors).contains("'\(name)'"))
  }

  @Test func factorsMustFitTogether() throws {
    let config = #"{"peft_type": "LORA", "r": 2}"#
    let both = pair("x", rank: 2)
    #expect(try refusal(config, [both[0]]).contains("no lora_B for 'x'"))
    #expect(try refusal(config, [both[1]]).contains("no lora_A for 'x'"))
    #expect(
      try refusal(config, [both[0], ("x.lora_B.weight", [3, 1], [1, 2, 3])]).contains("[3, 1]"))
    #expect(
      try refusal(config, both + [("x.lora_A.default.weight", [2, 3], both[0].values)])
        .contains("second of its kind"))
    var damaged = both
    damaged[1].values[3] = .nan
    #expect(try refusal(config, damaged).contains("not a number at element 3"))
  }

  @Test func everyTruncationOfAnAdapterIsRefused() throws {
    let folder = try TemporaryFolder()
    try PEFTAdapter(modules: [module(query(0), rank: 1, scale: 1)]).write(to: folder.path)
    let weights = try fileBytes(folder.path + "/adapter_model.safetensors")
    let config = try fileBytes(folder.path + "/adapter_config.json")
    for length in 0..<weights.count {
      try folder.write(Array(weights[..<length]), to: "adapter_model.safetensors")
      #expect(throws: CheckpointError.self) { try PEFTAdapter(folder: folder.path) }
    }
    try folder.write(weights, to: "adapter_model.safetensors")
    // The last byte is a line feed.
    for length in 0..<(config.count - 1) {
      try folder.write(Array(config[..<length]), to: "adapter_config.json")
      #expect(throws: CheckpointError.self) { try PEFTAdapter(folder: folder.path) }
    }
    try folder.write(config, to: "adapter_config.json")
    #expect(throws: Never.self) { try PEFTAdapter(folder: folder.path) }
  }

  @Test func foldersWithoutAnAdapterAreRefused() throws {
    let folder = try TemporaryFolder()
    #expect(throws: CheckpointError.self) { try PEFTAdapter(folder: folder.path) }
    try folder.write(#"{"peft_type": "LORA"}"#, to: "adapter_config.json")
    #expect(throws: CheckpointError.self) { try PEFTAdapter(folder: folder.path) }
    try folder.write("pickle", to: "adapter_model.bin")
    #expect(
      throws: CheckpointError.unsupported(
        path: folder.path + "/adapter_model.bin", what: "a pickled adapter",
        supported: "adapter_model.safetensors; save it with safe_serialization=True")
    ) { try PEFTAdapter(folder: folder.path) }
    #expect(throws: CheckpointError.self) {
      try PEFTAdapter(modules: [module("x", rank: 1, scale: 1)]).write(to: "/nowhere/at/all")
    }
  }
}
