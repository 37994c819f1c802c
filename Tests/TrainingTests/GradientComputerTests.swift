// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Tensors
import Testing

@testable import Training

@Suite struct GradientComputerTests {
  private let model: AdaptedModel
  private let adapter: ParameterVector
  /// Some parts of different lengths.
  private let batch = TokenBatch(
    sequences: [120, 90, 130, 70, 200, 180, 15, 190, 64, 128, 150].enumerated().map {
      ((0..<$1).map { Int32($0 * 7 % 60 + 1) }, 1 + $0)
    })

  init() throws {
    let tiny = try TinyModel()
    model = AdaptedModel(
      base: tiny.base,
      lora: LoRAConfiguration(
        rank: 2, alpha: 4, targets: Projection.allCases, factors: .both, seed: 3))
    var adapter = model.initialAdapter()
    for index in adapter.values.indices { adapter.values[index] += Float(index % 13 - 6) / 200 }
    self.adapter = adapter
  }

  private func result(threads: Int, recomputing: Int = 0) -> (Double, ParameterVector) {
    let computer = GradientComputer(
      model: model, threadCount: threads, recomputing: recomputing)
    var gradient = ParameterVector(layout: model.layout, values: adapter.values)
    var loss = 0.0
    for _ in 0..<2 { loss = computer.loss(of: batch, adapter: adapter, gradient: &gradient) }
    return (loss, gradient)
  }

  @Test func theNumberOfThreadsChangesNoBit() {
    #expect(batch.parts.count == 5)
    let (loss, gradient) = result(threads: 1)
    for threads in [2, 3, 5, 64] {
      let other = result(threads: threads, recomputing: threads % 3)
      #expect(other.0 == loss)
      #expect(other.1 == gradient)
    }
  }

  @Test func partsAddUpToTheWhole() {
    var whole = ParameterVector(zerosOf: model.layout)
    var workspace = model.makeWorkspace()
    let loss = model.loss(
      of: batch, adapter: adapter, in: &workspace, addingGradientTo: &whole)
    var (found, gradient) = result(threads: 2)
    #expect(abs(found - loss) < 1e-5 * loss)
    gradient.add(whole, scaledBy: -1)
    #expect(gradient.norm < 1e-4 * whole.norm && whole.norm > 0)
  }
}
