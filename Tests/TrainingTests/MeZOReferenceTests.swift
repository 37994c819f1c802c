// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Models
import Tensors
import Testing
import Updates

@testable import Training

/// A step of MeZO along a given direction, against PyTorch in double precision.
@Suite struct MeZOReferenceTests {
  /// What zeroth-order.json says.
  private struct Golden: Decodable {
    let epsilon: Double
    let learning_rate: Double
    let loss_plus: Double
    let loss_minus: Double
    let projected_gradient: Double
    let slope: Double
  }

  @Test(arguments: ["llama-gqa-tied", "qwen3"])
  func aStepIsAsInTorch(name: String) throws {
    let tiny = try TinyModel(name)
    let model = try tiny.adapted()
    let golden = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: URL(filePath: "\(tiny.folder)/zeroth-order.json")))
    let file = try SafetensorsFile(path: "\(tiny.folder)/zeroth-order.safetensors")
    func vector(_ prefix: String) throws -> ParameterVector {
      ParameterVector(
        layout: model.layout,
        values: try model.layout.entries.flatMap { try file.floats(of: "\(prefix).\($0.name)") })
    }
    let (start, z) = (model.initialAdapter(), try vector("z"))
    let estimator = GradientEstimator(.twoSided, perturbation: Float(golden.epsilon))
    let copies = estimator.displacements(for: [0]).map { terms in
      var copy = start
      for term in terms { copy.add(z, scaledBy: term.coefficient) }
      return copy
    }
    var workspace = model.makeWorkspace()
    let losses = model.losses(
      of: TokenBatch(tiny.goldenExamples().examples), adapters: copies, in: &workspace)
    #expect(abs(losses[0] - golden.loss_plus) < 1e-5)
    #expect(abs(losses[1] - golden.loss_minus) < 1e-5)

    let estimate = estimator.estimate(estimator.losses(losses, for: [0]))
    let found = estimate.scalars[0].value
    #expect(abs(found / golden.slope - 1) < 0.02)
    #expect(abs(found / golden.projected_gradient - 1) < 0.005)
    let step = UpdateRule.sgd.step(
      0, for: estimate.scalars, learningRate: golden.learning_rate)
    var stepped = start
    stepped.add(z, scaledBy: step.terms[0].coefficient)
    let worst = zip(stepped.values, try vector("after").values).map { abs($0 - $1) }.max()
    #expect(try #require(worst) < 1e-4)
  }
}
