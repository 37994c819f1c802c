// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Models
import Randomness
import Tensors
import Testing

/// The losses with many adapters at once are those with each alone.
struct AdapterCopiesTests {
  /// Sequences with a common beginning; of some, only the end is predicted.
  private let batch = TokenBatch(
    sequences: [40, 25, 61, 9].enumerated().map { index, count in
      ([7, 8, 9] + (0..<count).map { Int32(($0 * 31 + index * 17) % 500) }, 1 + 3 * index)
    })

  private func model(
    _ name: String, _ targets: [Projection] = Projection.allCases,
    _ factors: LoRAConfiguration.Factors = .b, in arithmetic: ProductArithmetic = .float32
  ) throws -> AdaptedModel {
    AdaptedModel(
      base: try GoldenModel(name).base.computing(in: arithmetic),
      lora: LoRAConfiguration(rank: 3, alpha: 6, targets: targets, factors: factors, seed: 1))
  }

  /// An adapter along and against some directions, and itself.
  private func copies(
    of start: ParameterVector, count: Int, in selection: TensorSelection? = nil
  ) -> [ParameterVector] {
    (0..<count).map { index in
      let direction = Directions(of: Seed(2)).direction(step: 0, query: UInt32(index / 3))
      return start.adding(direction, times: [0.02, -0.02, 0][index % 3], to: selection)
    }
  }

  private func alone(
    _ model: AdaptedModel, _ adapters: [ParameterVector], _ batch: TokenBatch
  ) -> [Double] {
    adapters.map {
      var workspace = model.makeWorkspace()
      return model.loss(of: batch, adapter: $0, in: &workspace)
    }
  }

  @Test(arguments: GoldenModel.names, LoRAConfiguration.Factors.allCases)
  func theirBitsAreThoseOfEachAlone(name: String, factors: LoRAConfiguration.Factors) throws {
    let model = try model(name, Projection.allCases, factors)
    let adapters = copies(of: model.initialAdapter(), count: 9)
    var workspace = model.makeWorkspace()
    for count in [1, 2, 3, 4, 9] {
      let some = Array(adapters.prefix(count))
      #expect(
        model.losses(of: batch, adapters: some, in: &workspace) == alone(model, some, batch))
    }
    let single = TokenBatch(sequences: [([5, 6, 7, 8], 3)])
    let found = model.losses(of: single, adapters: adapters, in: &workspace)
    #expect(found == alone(model, adapters, single))
    #expect(Set(found).count > 3)
  }

  /// Where BLAS multiplies what was rounded, and where a unit sums row by row.
  @Test(
    arguments: ["llama-mqa-untied", "opt"],
    [ProductArithmetic.bfloat16(nil), .bfloat16(BFloat16Unit.available ?? .plain)])
  func theirBitsAreThoseOfEachAloneInBFloat16(name: String, arithmetic: ProductArithmetic) throws {
    let model = try model(name, in: arithmetic)
    let adapters = copies(of: model.initialAdapter(), count: 4)
    var workspace = model.makeWorkspace()
    let found = model.losses(of: batch, adapters: adapters, in: &workspace)
    #expect(found == alone(model, adapters, batch))
    #expect(Set(found).count > 2)
  }

  /// Whichever tensor is the first that differs: the pass forks there.
  @Test(arguments: ["llama-gqa-tied", "qwen3"])
  func thePassMayForkAnywhere(name: String) throws {
    for (targets, factors) in [
      (Projection.allCases, LoRAConfiguration.Factors.both), ([.output, .down], .b),
    ] {
      let model = try model(name, targets, factors)
      let start = copies(of: model.initialAdapter(), count: 1)[0]
      var workspace = model.makeWorkspace()
      for entry in model.layout.entries {
        let selection = TensorSelection(of: model.layout) { $0.offset >= entry.offset }
        let adapters = copies(of: start, count: 3, in: selection)
        let found = model.losses(of: batch, adapters: adapters, in: &workspace)
        #expect(found == alone(model, adapters, batch), "\(entry.name)")
        #expect(Set(found).count == 3, "\(entry.name)")
      }
    }
  }

  @Test func theOrderOfTheAdaptersChangesNoBit() throws {
    let model = try model("llama-gqa-tied")
    let adapters = copies(of: model.initialAdapter(), count: 5)
    var workspace = model.makeWorkspace()
    let found = model.losses(of: batch, adapters: adapters, in: &workspace)
    let reversed = model.losses(of: batch, adapters: adapters.reversed(), in: &workspace)
    #expect(reversed == found.reversed())
  }

  @Test func equalAdaptersHaveEqualLosses() throws {
    let model = try model("llama-gqa-tied")
    let start = model.initialAdapter()
    var workspace = model.makeWorkspace()
    let found = model.losses(of: batch, adapters: [start, start, start], in: &workspace)
    #expect(found == [Double](repeating: alone(model, [start], batch)[0], count: 3))
    #expect(model.losses(of: batch, adapters: [], in: &workspace).isEmpty)
    let none = AdaptedModel(base: model.base)
    var other = none.makeWorkspace()
    let without = [none.initialAdapter(), none.initialAdapter()]
    let losses = none.losses(of: batch, adapters: without, in: &other)
    #expect(losses == alone(none, without, batch))
  }

  @Test func aGradientAfterwardsIsAsBefore() throws {
    let model = try model("qwen2", [.value, .down], .both)
    let adapters = copies(of: model.initialAdapter(), count: 4)
    func gradient(_ workspace: inout Workspace) -> ParameterVector {
      var gradient = ParameterVector(zerosOf: model.layout)
      _ = model.loss(
        of: batch, adapter: adapters[0], in: &workspace, addingGradientTo: &gradient)
      return gradient
    }
    for recomputed in [0, 2] {
      var (used, fresh) = (
        model.makeWorkspace(for: .step(recomputing: recomputed)), model.makeWorkspace()
      )
      _ = model.losses(of: batch, adapters: adapters, in: &used)
      #expect(gradient(&used) == gradient(&fresh))
    }
  }

  @Test func partsOfABatchAddUp() throws {
    let model = try model("llama-gqa-tied")
    let adapters = copies(of: model.initialAdapter(), count: 3)
    var workspace = model.makeWorkspace()
    let whole = model.losses(of: batch, adapters: adapters, in: &workspace)
    let count = 2 * batch.targets.count
    let halves = model.losses(
      of: batch, adapters: adapters, in: &workspace, meanOver: count)
    #expect(zip(whole, halves).allSatisfy { abs($0 - 2 * $1) < 1e-12 })
  }
}
