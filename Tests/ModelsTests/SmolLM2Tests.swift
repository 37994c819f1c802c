// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Models
import Tensors
import Testing

/// The real SmolLM2-135M against PyTorch; `TERN_SMOLLM2` names its GGUF file.
@Suite(.enabled(if: GoldenModel.smolLM2Path != nil))
struct SmolLM2Tests {
  /// What golden.json says.
  private struct Golden: Decodable {
    struct Text: Decodable {
      let loss: Double
      let top10_ids: [Int32]
    }
    struct LoRA: Decodable {
      let loss: Double
      let global_norm: Double
      let grad_norms: [String: Double]
      let losses: [Double]

      enum CodingKeys: String, CodingKey {
        case loss, global_norm, grad_norms
        case losses = "adamw_lr1e-3_losses"
      }
    }
    let ids: [[Int32]]
    let items: [Text]
    let lora: LoRA
  }

  private let golden: Golden
  private let tensors: SafetensorsFile
  private let base: DecoderModel

  init() throws {
    let folder = "\(GoldenModel.folder)/smollm2-135m"
    golden = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: URL(filePath: "\(folder)/golden.json")))
    tensors = try SafetensorsFile(path: "\(folder)/golden.safetensors")
    base = try DecoderModel(Checkpoint(path: try #require(GoldenModel.smolLM2Path)))
  }

  @Test func textsHaveTheLossesAndTheNextTokensOfTransformers() throws {
    let model = AdaptedModel(base: base)
    var workspace = model.makeWorkspace()
    let none = model.initialAdapter()
    for (index, item) in golden.items.enumerated() {
      let tokens = golden.ids[index]
      let loss = model.loss(
        of: TokenBatch(sequences: [(tokens: tokens, first: 1)]), adapter: none, in: &workspace)
      #expect(abs(loss - item.loss) < 1e-4)
      let logits = try tensors.floats(of: "last_logits.\(index)")
      let next = TokenBatch(
        tokens: tokens, sequenceLengths: [tokens.count],
        targets: logits.indices.map { .init(position: tokens.count - 1, token: Int32($0)) })
      let found = model.logProbabilities(of: next, adapter: none, in: &workspace)
      let normalizer = Kernels.logSumExp(
        of: Matrix(logits, rows: 1, columns: logits.count), row: 0)
      #expect(relativeError(found, logits.map { $0 - Float(normalizer.value) }) < 1e-4)
      let best = found.indices.sorted { found[$0] > found[$1] }.prefix(10).map { Int32($0) }
      #expect(best == item.top10_ids)
    }
  }

  @Test func threeStepsOfAdamWAreThoseOfTorch() throws {
    let model = AdaptedModel(
      base: base, lora: LoRAConfiguration(rank: 8, alpha: 16, factors: .both, seed: 0))
    var adapter = startingAdapter(model.layout)
    let batch = TokenBatch(sequences: [(tokens: golden.ids[1], first: 1)])
    var optimizer = AdamW(count: model.layout.count)
    var workspace = model.makeWorkspace()
    var gradient = ParameterVector(zerosOf: model.layout)
    for (step, expected) in golden.lora.losses.enumerated() {
      gradient = ParameterVector(zerosOf: model.layout)
      let loss = model.loss(
        of: batch, adapter: adapter, in: &workspace, addingGradientTo: &gradient)
      #expect(abs(loss - expected) < 1e-4 * expected, "step \(step)")
      if step == 0 { checkNorms(gradient) }
      optimizer.step(&adapter, gradient: gradient, learningRate: 1e-3)
    }
    for entry in model.layout.entries {
      let name = "lora.grad3.\(entry.name.dropFirst("base_model.model.".count))"
      guard tensors.tensors[name] != nil else { continue }
      let error = relativeError(gradient.values[entry.range], try tensors.floats(of: name))
      #expect(error < 1e-3, "\(entry.name)")
    }
  }

  private func checkNorms(_ gradient: ParameterVector) {
    #expect(abs(gradient.norm - golden.lora.global_norm) < 1e-4 * golden.lora.global_norm)
    for entry in gradient.layout.entries {
      let name = String(entry.name.dropFirst("base_model.model.".count))
      let norm = Kernels.sumOfSquares(Array(gradient.values[entry.range])).squareRoot()
      let expected = golden.lora.grad_norms[name] ?? -1
      // The smallest norms are what is left of larger terms: their rounding errors stay.
      let tolerance = 1e-4 * expected + 1e-7 * golden.lora.global_norm
      #expect(abs(norm - expected) < tolerance, "\(entry.name)")
    }
  }

  /// A = 0.02 sin(0.37 i + 0.11 j + 1), B = 0.01 cos(0.23 i + 0.71 j).
  private func startingAdapter(_ layout: ParameterLayout) -> ParameterVector {
    var adapter = ParameterVector(zerosOf: layout)
    for entry in layout.entries {
      let isA = entry.name.contains("lora_A")
      for index in 0..<entry.count {
        let (i, j) = (Double(index / entry.shape[1]), Double(index % entry.shape[1]))
        adapter.values[entry.offset + index] = Float(
          isA ? 0.02 * sin(0.37 * i + 0.11 * j + 1) : 0.01 * cos(0.23 * i + 0.71 * j))
      }
    }
    return adapter
  }
}
