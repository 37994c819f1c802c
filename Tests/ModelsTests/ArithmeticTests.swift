// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Tensors
import Testing

/// Counted by hand for a model of 3 blocks: width 64, 4 heads of 16 and half as many of keys and
/// values, feed-forward width 160, 512 tokens.
struct ArithmeticTests {
  private let golden: GoldenModel
  /// 8 tokens, of which 2 rows have a target; 21 pairs of a query and a key that it sees.
  private let batch = TokenBatch(sequences: [(tokens: [1, 2, 3], first: 2), ([4, 5, 6, 7, 8], 4)])

  init() throws { golden = try GoldenModel("llama-gqa-tied") }

  @Test func everyProductIsCountedOnce() {
    let lora = LoRAConfiguration(rank: 2, alpha: 4, targets: [.value, .down], factors: .b, seed: 1)
    let arithmetic = AdaptedModel(base: golden.base, lora: lora).arithmetic(of: batch)
    // Head, frozen layers, attention, adapter; the last block's later layers are of 2 rows.
    #expect(arithmetic.forward == 131_072 + 1_646_592 + 16_128 + 25_344)
    // Nothing below the values of the first block is learned.
    #expect(arithmetic.backward == 131_072 + 1_515_520 + 40_320 + 30_976)
    #expect(arithmetic.step == arithmetic.forward + arithmetic.backward)
  }

  @Test func onlyWhatAModelHasIsCounted() throws {
    let model = AdaptedModel(base: try GoldenModel("gpt2").base)
    // 8 rows through all of a block and 2 through what follows the last attention: 192 outputs of
    // attention's input, 64 of its output, and 256 there and back without gates.
    let linear = 2 * 64 * (8 * 192 * 3 + (8 + 8 + 2) * (64 + 2 * 256))
    #expect(model.arithmetic(of: batch).forward == Double(131_072 + linear + 16_128))
  }

  @Test func learningATakesItsGradientMore() {
    func backward(_ factors: LoRAConfiguration.Factors) -> Double {
      let lora = LoRAConfiguration(
        rank: 2, alpha: 4, targets: [.value, .down], factors: factors, seed: 1)
      return AdaptedModel(base: golden.base, lora: lora).arithmetic(of: batch).backward
    }
    // 8 rows twice, then 8 and 2: of values and of what goes down.
    #expect(backward(.both) - backward(.b) == Double(4 * (3 * 8 * 64 + (8 + 8 + 2) * 160)))
  }

  @Test func aModelWithoutAnAdapterHasNoBackward() {
    let arithmetic = AdaptedModel(base: golden.base).arithmetic(of: batch)
    #expect(arithmetic.forward == 131_072 + 1_646_592 + 16_128)
    #expect(arithmetic.backward == 0)
  }
}
