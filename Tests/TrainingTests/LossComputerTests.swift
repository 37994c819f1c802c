// SPDX-License-Identifier: Apache-2.0
import Models
import Randomness
import Tensors
import Testing

@testable import Training

struct LossComputerTests {
  /// Some parts of different lengths.
  private let batch = TokenBatch(
    sequences: [120, 90, 130, 70, 200, 180, 15, 190, 64].enumerated().map {
      ((0..<$1).map { Int32($0 * 7 % 60 + 1) }, 1 + $0)
    })
  private let model: AdaptedModel

  init() throws {
    model = AdaptedModel(
      base: try TinyModel().base, lora: LoRAConfiguration(rank: 2, alpha: 4, seed: 3))
  }

  private func adapter(_ index: Int) -> ParameterVector {
    model.initialAdapter()
      .adding(Directions(of: Seed(1)).direction(step: 0, query: UInt32(index)), times: 0.02)
  }

  @Test func neitherThreadsNorAdaptersAtOnceChangeABit() {
    #expect(batch.parts.count == 4)
    let expected = (0..<5).map { index in
      var workspace = model.makeWorkspace()
      return batch.parts.reduce(0.0) {
        $0
          + model.losses(
            of: $1, adapters: [adapter(index)], in: &workspace, meanOver: batch.targets.count)[0]
      }
    }
    #expect(Set(expected).count == 5)
    for (threads, adapters) in [(1, 1), (1, 5), (2, 2), (4, 3), (40, 1)] {
      let computer = LossComputer(model: model, threadCount: threads, adapterCount: adapters)
      for _ in 0..<2 {
        let found = computer.losses(of: batch, count: 5) { [self] in adapter($0) }
        #expect(found == expected)
      }
    }
  }

  @Test func partsAddUpToTheWhole() {
    var workspace = model.makeWorkspace()
    let whole = model.loss(of: batch, adapter: adapter(0), in: &workspace)
    let found = LossComputer(model: model, adapterCount: 1)
      .losses(of: batch, count: 1) { [self] _ in adapter(0) }
    #expect(abs(found[0] / whole - 1) < 1e-6)
  }
}
