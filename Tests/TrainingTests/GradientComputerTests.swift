// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Tensors
import Testing

@testable import Training

@Suite struct GradientComputerTests {
  private static let names = ["llama-gqa-tied", "gpt2", "opt"]

  /// A model with an adapter that changes it.
  private struct Subject {
    let model: AdaptedModel
    let adapter: ParameterVector

    init(_ name: String) throws {
      model = AdaptedModel(
        base: try TinyModel(name).base,
        lora: LoRAConfiguration(
          rank: 2, alpha: 4, targets: Projection.allCases, factors: .both, seed: 3))
      var adapter = model.initialAdapter()
      for index in adapter.values.indices { adapter.values[index] += Float(index % 13 - 6) / 200 }
      self.adapter = adapter
    }

    func result(
      of batch: TokenBatch, threads: Int, recomputing: Int = 0
    ) -> (Double, ParameterVector) {
      let computer = GradientComputer(
        model: model, threadCount: threads, recomputing: recomputing)
      var gradient = ParameterVector(layout: model.layout, values: adapter.values)
      var loss = 0.0
      for _ in 0..<2 { loss = computer.loss(of: batch, adapter: adapter, gradient: &gradient) }
      return (loss, gradient)
    }
  }

  /// Some parts of different lengths.
  private let batch = TokenBatch(
    sequences: [60, 90, 80, 70, 85, 90, 15, 90, 64, 88, 75, 40, 90, 81, 90, 77, 88, 66]
      .enumerated().map { ((0..<$1).map { Int32($0 * 7 % 60 + 1) }, 1 + $0) })

  @Test(arguments: names) func theNumberOfThreadsChangesNoBit(name: String) throws {
    #expect(batch.parts.count == 5)
    let subject = try Subject(name)
    let (loss, gradient) = subject.result(of: batch, threads: 1)
    for threads in [2, 3, 5, 64] {
      let other = subject.result(of: batch, threads: threads, recomputing: threads % 3)
      #expect(other.0 == loss)
      #expect(other.1 == gradient)
    }
  }

  @Test(arguments: names) func partsAddUpToTheWhole(name: String) throws {
    let subject = try Subject(name)
    let model = subject.model
    var whole = ParameterVector(zerosOf: model.layout)
    var workspace = model.makeWorkspace()
    let loss = model.loss(
      of: batch, adapter: subject.adapter, in: &workspace, addingGradientTo: &whole)
    var (found, gradient) = subject.result(of: batch, threads: 2)
    #expect(abs(found - loss) < 1e-5 * loss)
    gradient.add(whole, scaledBy: -1)
    #expect(gradient.norm < 1e-4 * whole.norm && whole.norm > 0)
  }
}
