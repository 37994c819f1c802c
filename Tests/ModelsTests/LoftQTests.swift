// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Tensors
import Testing

struct LoftQTests {
  /// A tiny model in fewer bits, and the losses of its golden batch.
  private struct Tiny {
    let golden: GoldenModel
    let checkpoint: Checkpoint
    let quantization: Quantization

    init(_ name: String, _ quantization: Quantization) throws {
      golden = try GoldenModel(name)
      checkpoint = try Checkpoint(path: "\(GoldenModel.folder)/\(name)")
      self.quantization = quantization
    }

    func lora(
      rank: Int, _ factors: LoRAConfiguration.Factors, _ targets: [Projection] = Projection.allCases
    ) -> LoRAConfiguration {
      LoRAConfiguration(
        rank: rank, alpha: 3 * Float(rank), targets: targets, factors: factors, start: .loftQ,
        seed: 7)
    }

    func model(_ lora: LoRAConfiguration, beginsWithZero: Bool = false) throws -> AdaptedModel {
      AdaptedModel(
        base: try DecoderModel(checkpoint, quantization: quantization), lora: lora,
        loftQ: beginsWithZero ? nil : try LoftQ(of: checkpoint, lora, quantization))
    }

    /// The mean squared distance of the targets' log-probabilities from those of the whole weights.
    func distance(_ model: AdaptedModel) throws -> Double {
      let whole = AdaptedModel(base: golden.base)
      let batch = try golden.batch()
      let expected = logProbabilities(whole, batch)
      let squares = zip(logProbabilities(model, batch), expected).map { pair in
        Double((pair.0 - pair.1) * (pair.0 - pair.1))
      }
      return squares.reduce(0, +) / Double(squares.count)
    }

    private func logProbabilities(_ model: AdaptedModel, _ batch: TokenBatch) -> [Float] {
      var workspace = model.makeWorkspace()
      return model.logProbabilities(
        of: batch, adapter: model.initialAdapter(), in: &workspace)
    }
  }

  /// With as many ranks as weights have directions, nothing is lost, whichever way they are stored.
  @Test(arguments: [
    ("llama-gqa-tied", Quantization.nf4, LoRAConfiguration.Factors.b), ("gpt2", .int8, .both),
    ("opt", .nf4, .both), ("qwen3", .int8, .b),
  ])
  func ofAllRanksIsWhatWasLost(
    name: String, quantization: Quantization, factors: LoRAConfiguration.Factors
  ) throws {
    let tiny = try Tiny(name, quantization)
    let lora = tiny.lora(rank: 256, factors)
    let plain = try tiny.distance(tiny.model(lora, beginsWithZero: true))
    #expect(try tiny.distance(tiny.model(lora)) < 1e-4 * plain)
  }

  @Test func ofFewRanksIsNearerThanNothing() throws {
    let tiny = try Tiny("llama-gqa-tied", .nf4)
    let lora = tiny.lora(rank: 12, .b)
    let plain = try tiny.distance(tiny.model(lora, beginsWithZero: true))
    let distance = try tiny.distance(tiny.model(lora))
    #expect(distance < 0.8 * plain, "\(distance / plain)")
  }

  /// Each module's product is nearer to what was lost than nothing is, and smaller than it: it is the
  /// projection, which leaves the rest at a right angle.
  @Test(arguments: ["llama-mqa-untied", "gpt2"])
  func productsAreProjectionsOfWhatWasLost(name: String) throws {
    let tiny = try Tiny(name, .nf4)
    let model = try tiny.model(tiny.lora(rank: 4, .both))
    let isTransposed = tiny.checkpoint.configuration.architecture.storesInputsFirst
    for module in model.exported(model.initialAdapter()).modules {
      let lost = try tiny.checkpoint.quantizationError(of: "\(module.name).weight", in: .nf4)
      let product = product(module)
      let (outputs, inputs) = (module.outputWidth, module.inputWidth)
      var (mixed, own, all) = (0.0, 0.0, 0.0)
      for output in 0..<outputs {
        for input in 0..<inputs {
          let value = Double(
            lost[isTransposed ? input * outputs + output : output * inputs + input])
          let part = Double(product[output * inputs + input])
          mixed += value * part
          own += part * part
          all += value * value
        }
      }
      #expect(own > 0.1 * all && own < all, "\(module.name)")
      #expect(abs(mixed - own) < 1e-3 * all, "\(module.name)")
    }
  }

  private func product(_ module: PEFTAdapter.Module) -> [Float] {
    let b = Matrix(module.b, rows: module.outputWidth, columns: module.rank)
    let a = Matrix(module.a, rows: module.rank, columns: module.inputWidth)
    var product = Matrix(rows: module.outputWidth, columns: module.inputWidth)
    Kernels.multiply(b, a, scale: module.scale, into: &product)
    return product.elements
  }

  @Test func ranksThatNothingIsLeftForBeginAsEver() throws {
    let tiny = try Tiny("llama-gqa-tied", .int8)
    let lora = tiny.lora(rank: 40, .both, [.key])
    let start = try tiny.model(lora).initialAdapter()
    let usual = try tiny.model(lora, beginsWithZero: true).initialAdapter()
    // Keys have 32 outputs, so that 8 of 40 rows of A, 64 wide, are the seed's.
    let (values, usualValues) = (start.values[..<(40 * 64)], usual.values[..<(40 * 64)])
    #expect(values.suffix(8 * 64) == usualValues.suffix(8 * 64))
    #expect(zip(values, usualValues).prefix(32 * 64).allSatisfy { $0 != $1 })
    let b = start.values[(40 * 64)..<(40 * 64 + 40)]
    #expect(b.suffix(8).allSatisfy { $0 == 0 } && b.prefix(32).allSatisfy { $0 != 0 })
  }
}
