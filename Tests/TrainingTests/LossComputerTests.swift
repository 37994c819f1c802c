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

  @Test func halvesAreTheLossesOfTheirSequencesAlone() throws {
    // The halves of nine sequences are the first five and the last four; a part lies in both.
    let lengths = batch.sequenceLengths
    let cut = lengths.prefix(5).reduce(0, +)
    func half(_ tokens: Range<Int>, _ lengths: ArraySlice<Int>) -> TokenBatch {
      TokenBatch(
        tokens: Array(batch.tokens[tokens]), sequenceLengths: Array(lengths),
        targets: batch.targets.filter { tokens.contains($0.position) }.map {
          TokenBatch.Target(position: $0.position - tokens.lowerBound, token: $0.token)
        })
    }
    let halves = [
      half(0..<cut, lengths.prefix(5)), half(cut..<batch.tokens.count, lengths.dropFirst(5)),
    ]
    let computer = LossComputer(model: model, threadCount: 2, adapterCount: 2)
    let found = computer.batchLosses(of: batch, count: 3) { [self] in adapter($0) }
    let means = computer.losses(of: batch, count: 3) { [self] in adapter($0) }
    #expect(found.map(\.mean) == means)
    for index in 0..<3 {
      let expected = halves.map { half in
        computer.losses(of: half, count: 1) { [self] _ in adapter(index) }[0]
      }
      let found = try #require(found[index].halves)
      #expect(abs(found.first / expected[0] - 1) < 1e-6)
      #expect(abs(found.second / expected[1] - 1) < 1e-6)
    }
    let counts = halves.map { Double($0.targets.count) }
    let whole = try #require(found[0].halves)
    let mean = (whole.first * counts[0] + whole.second * counts[1]) / (counts[0] + counts[1])
    #expect(abs(found[0].mean / mean - 1) < 1e-12)
  }

  @Test func halvesWithoutATargetAreNone() {
    let computer = LossComputer(model: model, adapterCount: 1)
    let single = TokenBatch(sequences: [([5, 6, 7], 1)])
    let found = computer.batchLosses(of: single, count: 1) { [self] in adapter($0) }
    #expect(found[0].halves == nil && found[0].mean > 0)
    let unequal = TokenBatch(sequences: [([5, 6, 7], 1), ([5, 6, 7], 3)])
    let other = computer.batchLosses(of: unequal, count: 1) { [self] in adapter($0) }
    #expect(other[0].halves == nil && abs(other[0].mean / found[0].mean - 1) < 1e-6)
  }
}
