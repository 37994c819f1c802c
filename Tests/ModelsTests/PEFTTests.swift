// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Models
import Tensors
import Testing

struct PEFTTests {
  private let golden: GoldenModel

  init() throws { golden = try GoldenModel("qwen3") }

  /// The error that the golden adapter gives after a change of its first module.
  private func error(_ change: (inout PEFTAdapter) -> Void) -> ModelError? {
    var adapter = golden.adapter
    change(&adapter)
    do throws(ModelError) {
      _ = try AdaptedModel(base: golden.base, adapter: adapter)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: GoldenModel.names)
  func anAdapterIsExportedAsItWasImported(name: String) throws {
    let golden = try GoldenModel(name)
    let model = try AdaptedModel(base: golden.base, adapter: golden.adapter)
    let exported = model.exported(model.initialAdapter())
    let byName = { (modules: [PEFTAdapter.Module]) in modules.sorted { $0.name < $1.name } }
    #expect(byName(exported.modules) == byName(golden.adapter.modules))
    #expect(exported.fanInFanOut == golden.adapter.fanInFanOut)
  }

  @Test(arguments: GoldenModel.names, LoRAConfiguration.Factors.allCases)
  func aLearnedAdapterComputesTheSameAfterAFolder(
    name: String, factors: LoRAConfiguration.Factors
  ) throws {
    let golden = try GoldenModel(name)
    let model = AdaptedModel(
      base: golden.base, lora: LoRAConfiguration(rank: 3, alpha: 4, factors: factors, seed: 5))
    var adapter = model.initialAdapter()
    for index in adapter.values.indices { adapter.values[index] += Float(index % 7) * 0.01 }
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tern-peft-\(UUID().uuidString)").path()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try model.exported(adapter).write(to: folder)
    let read = try AdaptedModel(base: golden.base, adapter: PEFTAdapter(folder: folder))
    let batch = try golden.batch()
    var (one, two) = (model.makeWorkspace(), read.makeWorkspace())
    let expected = model.logProbabilities(of: batch, adapter: adapter, in: &one)
    let found = read.logProbabilities(of: batch, adapter: read.initialAdapter(), in: &two)
    #expect(relativeError(found, expected) < 1e-6)
  }

  @Test func unknownAndRepeatedModulesAreRefusedByName() {
    #expect(
      error { $0.modules[0].name = "model.layers.3.mlp.up_proj" }
        == .unknownModule("model.layers.3.mlp.up_proj"))
    #expect(error { $0.modules[0].name = "lm_head" } == .unknownModule("lm_head"))
    let name = golden.adapter.modules[0].name
    #expect(error { $0.modules.append($0.modules[0]) } == .repeatedModule(name))
  }

  @Test func otherShapesAreRefused() {
    let module = golden.adapter.modules[0]
    let wider = PEFTAdapter.Module(
      name: module.name, rank: 1, scale: 1, a: [Float](repeating: 0, count: 99),
      b: [Float](repeating: 0, count: module.outputWidth), inputWidth: 99,
      outputWidth: module.outputWidth)
    #expect(
      error { $0.modules[0] = wider }
        == .wrongShape(
          module: module.name, expected: [module.outputWidth, module.inputWidth],
          found: [module.outputWidth, 99]))
  }

  @Test func valuesThatAreNotFiniteAreRefused() {
    let name = golden.adapter.modules[0].name
    #expect(error { $0.modules[0].a[3] = .nan } == .notFinite(module: name))
    #expect(error { $0.modules[0].b[0] = .infinity } == .notFinite(module: name))
    #expect(error { $0.modules[0].scale = .nan } == .notFinite(module: name))
  }

  @Test func errorsSayWhatIsWrongAndWhere() {
    let errors: [ModelError] = [
      .unknownModule("x.y"), .repeatedModule("x.y"), .notFinite(module: "x.y"),
      .unknownTarget("x.y", family: "opt", known: ["fc1", "fc2"]),
      .wrongShape(module: "x.y", expected: [2, 3], found: [4, 5]),
    ]
    for error in errors {
      #expect(error.description.contains("x.y"))
      #expect(!error.description.contains("\n"))
    }
    #expect(errors[4].description.contains("[2, 3]") && errors[4].description.contains("[4, 5]"))
  }
}
