// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Checkpoints

@Suite struct GGUFModelTests {
  /// Opens what the builder makes, through a file.
  private func checkpoint(_ builder: GGUFBuilder) throws -> Checkpoint {
    let folder = try TemporaryFolder()
    return try Checkpoint(path: folder.write(builder.build(), to: "model.gguf"))
  }

  private func refusal(_ builder: GGUFBuilder) throws -> String {
    do {
      _ = try checkpoint(builder)
      return "accepted"
    } catch let error as CheckpointError {
      return error.description
    }
  }

  /// The tiny model's configuration, changed.
  private func configuration(
    _ change: (inout ModelConfiguration) -> Void = { _ in }
  ) throws -> ModelConfiguration {
    var configuration = try TinyModel.configuration
    change(&configuration)
    return configuration
  }

  private func expectSameModel(_ builder: GGUFBuilder, as configuration: ModelConfiguration) throws
  {
    let checkpoint = try checkpoint(builder)
    #expect(checkpoint.configuration == configuration)
    for (name, shape, values) in TinyModel.tensors(configuration) {
      #expect(checkpoint.shape(of: name) == shape)
      #expect(try checkpoint.floats(of: name) == values, "\(name)")
    }
    #expect(checkpoint.unusedTensorNames == [])
  }

  @Test func llamasRowsAreUnpermuted() throws {
    let configuration = try configuration()
    try expectSameModel(TinyModel.gguf(configuration), as: configuration)
  }

  @Test func headWidthsOtherThanTheQuotientAreKept() throws {
    let configuration = try configuration {
      $0.headWidth = 6
      $0.layerCount = 2
      $0.tiedHead = false
    }
    try expectSameModel(TinyModel.gguf(configuration), as: configuration)
  }

  @Test func biasesOfLlamaAreUnpermutedToo() throws {
    let configuration = try configuration {
      $0.queryKeyValueBias = true
      $0.outputBias = true
      $0.feedForwardBias = true
    }
    try expectSameModel(TinyModel.gguf(configuration), as: configuration)
  }

  @Test func qwensRowsLieAsTheyAre() throws {
    let two = try configuration {
      $0.family = .qwen2
      $0.queryKeyValueBias = true
    }
    try expectSameModel(TinyModel.gguf(two, architecture: "qwen2"), as: two)
    let three = try configuration {
      $0.family = .qwen3
      $0.queryKeyNorm = true
    }
    try expectSameModel(TinyModel.gguf(three, architecture: "qwen3"), as: three)
  }

  @Test func quantisedRowsAreUnpermutedWhole() throws {
    let configuration = try configuration {
      $0.width = 32
      $0.headCount = 4
      $0.headWidth = 8
      $0.keyValueHeadCount = 2
    }
    var builder = TinyModel.gguf(configuration)
    let blocks = (0..<32).map { row in
      bytes(Float16(1).bitPattern) + [UInt8](repeating: UInt8(row), count: 32)
    }
    let index = try #require(builder.tensors.firstIndex { $0.name == "blk.0.attn_q.weight" })
    builder.tensors[index].type = 8
    builder.tensors[index].data = blocks.flatMap { $0 }
    let values = try checkpoint(builder).floats(of: "model.layers.0.self_attn.q_proj.weight")
    let rows = stride(from: 0, to: values.count, by: 32).map { values[$0] }
    #expect(Array(rows.prefix(16)) == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15])
    let matrix = try checkpoint(builder).matrix("model.layers.0.self_attn.q_proj.weight")
    #expect(!matrix.isStoredAsFloats)
    for range in [0..<32, 3..<11, 31..<32, 5..<5] {
      var part = [Float](repeating: 9, count: range.count * 32)
      part.withUnsafeMutableBufferPointer { matrix.expand(rows: range, into: $0) }
      #expect(part == Array(values[(range.lowerBound * 32)..<(range.upperBound * 32)]))
    }
  }

  @Test func aQuantisedBiasWhoseOrderCannotBeUndoneIsRefused() throws {
    let configuration = try configuration {
      $0.width = 32
      $0.headCount = 4
      $0.headWidth = 8
      $0.queryKeyValueBias = true
    }
    var builder = TinyModel.gguf(configuration)
    let index = try #require(builder.tensors.firstIndex { $0.name == "blk.0.attn_q.bias" })
    builder.tensors[index].type = 8
    builder.tensors[index].data = [UInt8](repeating: 0, count: 34)
    #expect(try refusal(builder).contains("self_attn.q_proj.bias has type Q8_0"))
  }

  @Test func storedRopeFactorsAreKept() throws {
    let configuration = try configuration { $0.ropeFrequencyFactors = [1, 8] }
    var builder = TinyModel.gguf(configuration)
    builder.add("rope_freqs.weight", [2], [1, 8])
    try expectSameModel(builder, as: configuration)
    builder.tensors[builder.tensors.count - 1].data = bytes([1, 0])
    #expect(try refusal(builder).contains("not positive"))
    builder.tensors[builder.tensors.count - 1].data = bytes([1, .nan])
    #expect(try refusal(builder).contains("not a number"))
    builder.tensors.removeLast()
    builder.add("rope_freqs.weight", [3], [1, 2, 3])
    #expect(try refusal(builder).contains("rope_freqs.weight has shape [3]"))
  }

  @Test func ropeScalingFollowsLlamaCpp() throws {
    var builder = TinyModel.gguf(try configuration())
    builder.set("llama.rope.freq_base", Float(500000))
    builder.set("llama.rope.scaling.factor", Float(4))
    #expect(try checkpoint(builder).configuration.ropeScaling == .linear(factor: 4))
    #expect(try checkpoint(builder).configuration.ropeTheta == 500000)
    builder.set("llama.rope.scaling.type", "none")
    #expect(try checkpoint(builder).configuration.ropeScaling == nil)
    builder.values[builder.values.count - 1].bytes = builder.string("yarn")
    #expect(try refusal(builder).contains("'yarn'"))
  }

  @Test func whatCannotBeComputedIsRefusedByName() throws {
    let plain = TinyModel.gguf(try configuration())
    for architecture in ["gemma", "gpt2", "opt"] {
      let foreign = TinyModel.gguf(try configuration(), architecture: architecture)
      #expect(try refusal(foreign).contains("'\(architecture)'"))
    }
    var builder = plain
    builder.set("llama.expert_count", UInt32(8))
    #expect(try refusal(builder).contains("8 experts"))
    builder = plain
    builder.set("split.count", UInt32(3))
    #expect(try refusal(builder).contains("2 more files"))
    builder = plain
    builder.set("llama.rope.dimension_count", UInt32(2))
    #expect(try refusal(builder).contains("llama.rope.dimension_count 2"))
    builder = plain
    builder.values.removeFirst()
    #expect(try refusal(builder).contains("general.architecture"))
    builder = plain
    builder.tensors.removeLast()
    #expect(try refusal(builder).contains("no tensor 'model.norm.weight'"))
    builder = TinyModel.gguf(
      try configuration { $0.queryKeyValueBias = true }, architecture: "qwen2")
    builder.set("qwen2.attention.sliding_window", UInt32(8))
    #expect(try refusal(builder).contains("sliding window"))
  }

  @Test func aWindowOfLlamaIsKept() throws {
    var builder = TinyModel.gguf(try configuration())
    builder.set("llama.attention.sliding_window", UInt32(16))
    #expect(try checkpoint(builder).configuration.slidingWindow == 16)
    builder.values[builder.values.count - 1].bytes = bytes(UInt32(0))
    #expect(try checkpoint(builder).configuration.slidingWindow == nil)
  }

  @Test func namesAreTranslated() {
    #expect(GGUFModel.huggingFaceName(of: "output_norm.weight") == "model.norm.weight")
    #expect(
      GGUFModel.huggingFaceName(of: "blk.12.ffn_down.bias") == "model.layers.12.mlp.down_proj.bias")
    for name in [
      "blk.x.ffn_down.weight", "blk.01.ffn_down.weight", "blk.-1.ffn_down.weight",
      "blk.0.ffn_gate_exps.weight", "v.blk.0", "", "token_embd",
    ] {
      #expect(GGUFModel.huggingFaceName(of: name) == nil, "\(name)")
    }
  }

  @Test func damagedModelsNeverCrash() throws {
    let whole = TinyModel.gguf(try configuration()).build()
    let folder = try TemporaryFolder()
    for index in stride(from: 0, to: whole.count, by: 11) {
      var damaged = whole
      damaged[index] ^= 0xFF
      let path = try folder.write(damaged, to: "damaged.gguf")
      guard let checkpoint = try? Checkpoint(path: path) else { continue }
      for name in checkpoint.tensorNames { _ = try? checkpoint.floats(of: name) }
      _ = checkpoint.digest()
    }
  }

  @Test func theVocabularyIsRead() throws {
    var builder = TinyModel.gguf(try configuration())
    builder.set("tokenizer.ggml.model", "gpt2")
    builder.set("tokenizer.ggml.pre", "smollm")
    builder.set("tokenizer.ggml.tokens", ["<|a|>", "b", "Ġc"])
    builder.set("tokenizer.ggml.token_type", [3, 1, 1] as [Int32])
    builder.set("tokenizer.ggml.merges", ["Ġ c"])
    builder.set("tokenizer.ggml.add_bos_token", true)
    builder.set("tokenizer.ggml.unknown_token_id", UInt32(0))
    builder.set("tokenizer.chat_template", "{{ x }}")
    let source = try checkpoint(builder).tokenizerSource()
    let expected = GGUFVocabulary(
      model: "gpt2", pre: "smollm", tokens: ["<|a|>", "b", "Ġc"], types: [3, 1, 1],
      merges: ["Ġ c"], begin: 1, end: 2, unknown: 0, padding: nil, addBegin: true, addEnd: false,
      chatTemplate: "{{ x }}")
    #expect(source == .gguf(expected))
  }

  @Test func vocabulariesMustBeConsistent() throws {
    let plain = TinyModel.gguf(try configuration())
    #expect(throws: CheckpointError.self) { try checkpoint(plain).tokenizerSource() }
    var builder = plain
    builder.set("tokenizer.ggml.model", "gpt2")
    builder.set("tokenizer.ggml.tokens", ["a", "b"])
    // The model's end token is 2.
    #expect(throws: CheckpointError.self) { try checkpoint(builder).tokenizerSource() }
    builder = plain
    builder.set("tokenizer.ggml.model", "llama")
    builder.set("tokenizer.ggml.tokens", ["a", "b", "c"])
    guard case .gguf(let vocabulary) = try checkpoint(builder).tokenizerSource() else {
      Issue.record("no vocabulary")
      return
    }
    #expect(vocabulary.addBegin && !vocabulary.addEnd)
    builder.set("tokenizer.ggml.token_type", [1] as [Int32])
    #expect(throws: CheckpointError.self) { try checkpoint(builder).tokenizerSource() }
  }
}
