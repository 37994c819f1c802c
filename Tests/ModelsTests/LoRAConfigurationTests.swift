// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Models
import Tensors
import Testing

struct LoRAConfigurationTests {
  private let base: DecoderModel

  init() throws { base = try GoldenModel("llama-mqa-untied").base }

  private func configuration(
    _ targets: [Projection] = Projection.allCases, _ factors: LoRAConfiguration.Factors = .both,
    seed: UInt64 = 1
  ) -> LoRAConfiguration {
    LoRAConfiguration(rank: 4, alpha: 8, targets: targets, factors: factors, seed: seed)
  }

  @Test func targetsAreInCanonicalOrderEachOnce() {
    let lora = configuration([.down, .query, .down, .value])
    #expect(lora.targets == [.query, .value, .down])
    #expect(lora.scale == 2)
  }

  @Test func survivesJSON() throws {
    let lora = configuration([.key, .up], .b)
    let data = try JSONEncoder().encode(lora)
    #expect(try JSONDecoder().decode(LoRAConfiguration.self, from: data) == lora)
    let text = String(decoding: data, as: UTF8.self)
    #expect(text.contains(#""k_proj","up_proj""#) && text.contains(#""factors":"b""#))
    // Plans that were stored before it could begin with anything else have no such key.
    #expect(!text.contains("start"))
  }

  @Test func whatAStrangerSendsIsRefusedInsteadOfStoppingTheProgram() throws {
    let text = String(decoding: try JSONEncoder().encode(configuration([.key], .b)), as: UTF8.self)
    func read(_ old: String, _ new: String) throws {
      try #require(text.contains(old), "\(text)")
      let data = Data(text.replacing(old, with: new).utf8)
      _ = try JSONDecoder().decode(LoRAConfiguration.self, from: data)
    }
    try read(#""rank":4"#, #""rank":1024"#)
    for (old, new) in [
      (#""rank":4"#, #""rank":0"#), (#""rank":4"#, #""rank":-4"#), (#""rank":4"#, #""rank":1025"#),
      (#""alpha":8"#, #""alpha":0"#), (#""alpha":8"#, #""alpha":-1"#), (#"["k_proj"]"#, "[]"),
    ] {
      #expect(throws: DecodingError.self, "\(new)") { try read(old, new) }
    }
  }

  @Test func layoutIsByBlockThenProjectionWithABeforeB() {
    let layout = configuration([.value, .down]).layout(for: base.configuration)
    let prefix = "base_model.model.model.layers"
    #expect(
      layout.entries.prefix(5).map(\.name) == [
        "\(prefix).0.self_attn.v_proj.lora_A.weight", "\(prefix).0.self_attn.v_proj.lora_B.weight",
        "\(prefix).0.mlp.down_proj.lora_A.weight", "\(prefix).0.mlp.down_proj.lora_B.weight",
        "\(prefix).1.self_attn.v_proj.lora_A.weight",
      ])
    #expect(layout.entries.prefix(4).map(\.shape) == [[4, 64], [32, 4], [4, 160], [64, 4]])
    #expect(layout.entries.count == 12)
  }

  @Test func everyFamilysLayersAreCalledWhatItCallsThem() throws {
    func entries(_ name: String, _ targets: [Projection]) throws -> [String] {
      let layout = configuration(targets, .b).layout(for: try GoldenModel(name).base.configuration)
      return layout.entries.prefix(layout.entries.count / 3).map {
        "\($0.name.dropFirst("base_model.model.".count)) \($0.shape)"
      }
    }
    #expect(
      try entries("gpt2", Projection.allCases) == [
        "transformer.h.0.attn.c_attn.lora_B.weight [192, 4]",
        "transformer.h.0.attn.c_proj.lora_B.weight [64, 4]",
        "transformer.h.0.mlp.c_fc.lora_B.weight [256, 4]",
        "transformer.h.0.mlp.c_proj.lora_B.weight [64, 4]",
      ])
    #expect(
      try entries("opt", [.output, .up, .down]) == [
        "model.decoder.layers.0.self_attn.out_proj.lora_B.weight [64, 4]",
        "model.decoder.layers.0.fc1.lora_B.weight [160, 4]",
        "model.decoder.layers.0.fc2.lora_B.weight [64, 4]",
      ])
  }

  @Test func targetsThatAModelLacksAreRefusedByName() throws {
    func refusal(_ name: String, _ targets: [Projection]) throws -> String? {
      let model = try GoldenModel(name).base.configuration
      do throws(ModelError) {
        try configuration(targets).check(model)
        return nil
      } catch {
        return error.description
      }
    }
    for name in GoldenModel.names { #expect(try refusal(name, Projection.allCases) == nil) }
    #expect(try refusal("gpt2", [.query, .key, .value, .down]) == nil)
    #expect(try refusal("opt", [.value, .up]) == nil)
    #expect(try refusal("opt", [.up, .gate])?.contains("'gate_proj'") == true)
    let fused = try #require(try refusal("gpt2", [.query, .value]))
    #expect(fused.contains("'q_proj'") && fused.contains("attn.c_attn"))
  }

  @Test(arguments: LoRAConfiguration.Factors.allCases)
  func layoutIsKnownWithoutWeights(factors: LoRAConfiguration.Factors) {
    let lora = configuration(Projection.allCases, factors)
    #expect(AdaptedModel(base: base, lora: lora).layout == lora.layout(for: base.configuration))
  }

  @Test func learningStartsWhereTheBaseIs() throws {
    let golden = try GoldenModel("llama-mqa-untied")
    let batch = try golden.batch()
    for factors in LoRAConfiguration.Factors.allCases {
      let model = AdaptedModel(base: base, lora: configuration(Projection.allCases, factors))
      var workspace = model.makeWorkspace()
      let loss = model.loss(of: batch, adapter: model.initialAdapter(), in: &workspace)
      #expect(abs(loss - (try golden.json().loss)) < 1e-4)
    }
  }

  @Test func frozenAndLearnedAAreTheSameWhicheverProjectionsAreAdapted() throws {
    let all = AdaptedModel(base: base, lora: configuration())
    let some = AdaptedModel(base: base, lora: configuration([.up], .b))
    let expected = all.exported(all.initialAdapter()).modules.filter {
      $0.name.hasSuffix("up_proj")
    }
    #expect(some.exported(some.initialAdapter()).modules == expected)
    let frozen = AdaptedModel(base: base, lora: configuration(Projection.allCases, .b))
    #expect(
      frozen.exported(frozen.initialAdapter()) == all.exported(all.initialAdapter()))
  }

  @Test func initialAIsUniformAsInPEFTAndFollowsFromTheSeed() {
    func a(_ seed: UInt64) -> [[Float]] {
      let model = AdaptedModel(base: base, lora: configuration(seed: seed))
      return model.exported(model.initialAdapter()).modules.map(\.a)
    }
    let (one, two) = (a(1), a(2))
    #expect(one == a(1))
    #expect(Set(one + two).count == one.count + two.count)
    // gate_proj of block 0: 64 inputs, bound 1/8, variance bound^2 / 3.
    let values = one[4]
    #expect(values.allSatisfy { abs($0) <= 0.125 })
    let variance = Kernels.sumOfSquares(values) / Double(values.count)
    #expect(abs(variance - 0.125 * 0.125 / 3) < 1e-3)
  }

  /// Runs in progress depend on these bits: they never change.
  @Test func initialAHasTheBitsThatItAlwaysHad() {
    let model = AdaptedModel(base: base, lora: configuration(seed: 2_026))
    let a = model.exported(model.initialAdapter()).modules[0].a
    #expect(
      a.prefix(4).map(\.bitPattern) == [3_186_287_180, 1_037_517_738, 3_175_185_528, 1_033_146_292])
  }
}
