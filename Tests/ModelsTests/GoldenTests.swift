// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Models
import Tensors
import Testing

/// Everything that PyTorch, transformers and PEFT say about tiny models of all families.
struct GoldenTests {
  @Test(arguments: GoldenModel.names)
  func everyLogProbabilityOfTheBaseIsAsInTransformers(name: String) throws {
    let golden = try GoldenModel(name)
    let model = AdaptedModel(base: golden.base)
    try check(model, model.initialAdapter(), golden, "logits")
  }

  @Test(arguments: GoldenModel.names)
  func everyLogProbabilityOfTheAdaptedModelIsAsInPEFT(name: String) throws {
    let golden = try GoldenModel(name)
    let model = try AdaptedModel(base: golden.base, adapter: golden.adapter)
    try check(model, model.initialAdapter(), golden, "lora.logits")
  }

  private func check(
    _ model: AdaptedModel, _ adapter: ParameterVector, _ golden: GoldenModel, _ key: String
  ) throws {
    let batch = try golden.batch()
    let vocabulary = Int32(golden.base.configuration.vocabularySize)
    let everything = TokenBatch(
      tokens: batch.tokens, sequenceLengths: batch.sequenceLengths,
      targets: batch.tokens.indices.flatMap { position in
        (0..<vocabulary).map { .init(position: position, token: $0) }
      })
    var workspace = model.makeWorkspace()
    let found = model.logProbabilities(of: everything, adapter: adapter, in: &workspace)
    let expected = try golden.logProbabilities(key).flatMap { $0 }
    #expect(found.count == expected.count)
    #expect(relativeError(found, expected) < 1e-4)
  }

  @Test(arguments: GoldenModel.names)
  func everyGradientIsAsInPEFT(name: String) throws {
    let golden = try GoldenModel(name)
    let model = try AdaptedModel(base: golden.base, adapter: golden.adapter)
    let batch = try golden.batch()
    var gradient = ParameterVector(zerosOf: model.layout)
    var workspace = model.makeWorkspace()
    _ = model.loss(
      of: batch, adapter: model.initialAdapter(), in: &workspace, addingGradientTo: &gradient)
    expectClose(gradient, try golden.vector("lora.grad", model.layout))
  }

  /// Weights and what they are multiplied with have eight bits: a loss is right to about 1 in 1,000,
  /// and a gradient to a few in 100.
  @Test(arguments: GoldenModel.names, [nil, .plain, BFloat16Unit.available])
  func inBFloat16TheLossAndTheGradientAreNearlyThose(name: String, unit: BFloat16Unit?) throws {
    let golden = try GoldenModel(name)
    let model = try AdaptedModel(
      base: golden.base.computing(in: .bfloat16(unit)), adapter: golden.adapter)
    var gradient = ParameterVector(zerosOf: model.layout)
    var workspace = model.makeWorkspace()
    let loss = model.loss(
      of: try golden.batch(), adapter: model.initialAdapter(), in: &workspace,
      addingGradientTo: &gradient)
    let exact = try #require(try golden.json().adamw_losses.first)
    #expect(abs(loss - exact) < 2e-3 * exact)
    #expect(loss != exact, "nothing was rounded")
    let expected = try golden.vector("lora.grad", model.layout).values
    let error = zip(gradient.values, expected).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
    let norm = expected.reduce(0.0) { $0 + pow(Double($1), 2) }
    // Where rounding changes the sign of what a ReLU is given, its derivative changes at once.
    let limit = name == "opt" ? 0.06 : 0.03
    #expect(error < limit * limit * norm)
  }

  @Test(arguments: GoldenModel.names)
  func lossesAndAdapterAreAsInTorchAfterStepsOfAdamW(name: String) throws {
    let golden = try GoldenModel(name)
    let model = try AdaptedModel(base: golden.base, adapter: golden.adapter)
    let batch = try golden.batch()
    var adapter = model.initialAdapter()
    var optimizer = AdamW(settings: AdamW.Settings(weightDecay: 0.01), count: model.layout.count)
    var workspace = model.makeWorkspace()
    var losses: [Double] = []
    for step in 1...3 {
      var gradient = ParameterVector(zerosOf: model.layout)
      losses.append(
        model.loss(of: batch, adapter: adapter, in: &workspace, addingGradientTo: &gradient))
      optimizer.step(&adapter, gradient: gradient, learningRate: 1e-2)
      if step != 2 { try expectAdapter(adapter, golden.vector("lora.adamw\(step)", model.layout)) }
    }
    losses.append(model.loss(of: batch, adapter: adapter, in: &workspace))
    let expected = try golden.json().adamw_losses
    #expect(losses.count == expected.count)
    for (loss, expected) in zip(losses, expected) {
      #expect(abs(loss - expected) < 1e-4 * expected)
    }
  }

  @Test(arguments: GoldenModel.names)
  func theBasesLossIsAsInTransformers(name: String) throws {
    let golden = try GoldenModel(name)
    let model = AdaptedModel(base: golden.base)
    var workspace = model.makeWorkspace()
    let loss = model.loss(
      of: try golden.batch(), adapter: model.initialAdapter(), in: &workspace)
    #expect(abs(loss - (try golden.json().loss)) < 1e-5 * loss)
  }

  /// AdamW makes a full step of the smallest gradient, and of its rounding error: single values
  /// may differ more than the tensor as a whole.
  private func expectAdapter(_ found: ParameterVector, _ expected: ParameterVector) throws {
    for entry in found.layout.entries {
      let values = zip(found.values[entry.range], expected.values[entry.range])
      let difference = Kernels.sumOfSquares(values.map { $0 - $1 }).squareRoot()
      let norm = Kernels.sumOfSquares(Array(expected.values[entry.range])).squareRoot()
      #expect(difference < 1e-4 * norm, "\(entry.name)")
    }
  }

  private func expectClose(_ found: ParameterVector, _ expected: ParameterVector) {
    for entry in found.layout.entries {
      let error = relativeError(found.values[entry.range], expected.values[entry.range])
      #expect(error < 1e-4, "\(entry.name)")
    }
  }
}
