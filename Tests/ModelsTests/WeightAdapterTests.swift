// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Randomness
import Tensors
import Testing

@testable import Models

/// Adapters that change the weights themselves.
@Suite struct WeightAdapterTests {
  /// A tiny model with an adapter of its weights, and one with the same change as low-rank factors.
  private struct Tiny {
    let golden: GoldenModel
    let checkpoint: Checkpoint
    let model: AdaptedModel

    init(
      _ name: String, _ form: WeightAdapterConfiguration.Form,
      _ targets: [Projection] = Projection.allCases, in arithmetic: ProductArithmetic = .float32
    ) throws {
      golden = try GoldenModel(name)
      checkpoint = try Checkpoint(path: "\(GoldenModel.folder)/\(name)")
      let configuration = WeightAdapterConfiguration(form, targets: targets)
      try configuration.check(checkpoint.configuration)
      model = AdaptedModel(
        base: golden.base.computing(in: arithmetic),
        weights: try WeightModules(of: checkpoint, configuration))
    }

    /// Adapters along some directions.
    func adapters(_ count: Int) -> [ParameterVector] {
      (0..<count).map { index in
        let direction = Directions(of: Seed(2)).direction(step: 0, query: UInt32(index / 2))
        return model.initialAdapter().adding(direction, times: index % 2 == 0 ? 0.02 : -0.02)
      }
    }

    /// What the adapter adds to the weights of each layer, [outputs, inputs], as factors of full rank.
    func factors(_ adapter: ParameterVector) throws -> PEFTAdapter {
      let isTransposed = checkpoint.configuration.architecture.storesInputsFirst
      return PEFTAdapter(
        modules: try model.weightModules.map { module in
          let (outputs, inputs) = (module.linear.outputWidth, module.linear.inputWidth)
          let weights = try checkpoint.floats(of: "\(module.name).weight")
          let columns = isTransposed ? outputs : inputs
          let stored = change(of: module, weights, columns, Array(adapter.values[module.range]))
          var b = [Float](repeating: 0, count: outputs * inputs)
          for (index, value) in stored.enumerated() {
            let (row, column) = (index / columns, index % columns)
            b[isTransposed ? column * inputs + row : index] = value
          }
          let a = (0..<(inputs * inputs)).map { Float($0 / inputs == $0 % inputs ? 1 : 0) }
          return PEFTAdapter.Module(
            name: module.name, rank: inputs, scale: 1, a: a, b: b, inputWidth: inputs,
            outputWidth: outputs)
        }, fanInFanOut: isTransposed)
    }

    /// What is added to the weights as they are stored, found without what is tested.
    private func change(
      of module: WeightModule, _ weights: [Float], _ columns: Int, _ values: [Float]
    ) -> [Float] {
      switch module.form {
      case .scales(let length):
        let blocks = (columns + length - 1) / length
        return weights.enumerated().map { index, weight in
          weight * values[index / columns * blocks + index % columns / length]
        }
      case .sparse:
        let order = weights.indices.sorted {
          (abs(weights[$0]), $0) < (abs(weights[$1]), $1)
        }
        var change = [Float](repeating: 0, count: weights.count)
        for (value, index) in zip(values, order.prefix(values.count).sorted()) {
          change[index] = value
        }
        return change
      }
    }

    func losses(_ adapters: [ParameterVector]) throws -> [Double] {
      let batch = try golden.batch()
      var workspace = model.makeWorkspace(for: .forward(adapterCount: adapters.count))
      return model.losses(of: batch, adapters: adapters, in: &workspace)
    }
  }

  private static let cases: [(name: String, form: WeightAdapterConfiguration.Form)] =
    GoldenModel.names.flatMap { name -> [(String, WeightAdapterConfiguration.Form)] in
      [(name, .scales(blockLength: 32)), (name, .scales(blockLength: 7))]
        + (name.hasPrefix("gpt2") ? [] : [(name, .sparse(rank: 3))])
    }

  /// Against the same change beside the frozen weights, as products of full rank.
  @Test(arguments: cases)
  func theyAreChangesOfTheWeights(
    name: String, form: WeightAdapterConfiguration.Form
  ) throws {
    let tiny = try Tiny(name, form)
    let adapter = tiny.adapters(1)[0]
    let same = try AdaptedModel(base: tiny.golden.base, adapter: tiny.factors(adapter))
    let batch = try tiny.golden.batch()
    var (one, two) = (tiny.model.makeWorkspace(), same.makeWorkspace())
    let found = tiny.model.logProbabilities(of: batch, adapter: adapter, in: &one)
    let expected = same.logProbabilities(of: batch, adapter: same.initialAdapter(), in: &two)
    #expect(relativeError(found, expected) < 1e-5)
    let start = tiny.model.initialAdapter()
    #expect(start.values.allSatisfy { $0 == 0 })
    let unchanged = tiny.model.logProbabilities(of: batch, adapter: start, in: &one)
    #expect(relativeError(unchanged, expected) > 1e-4)
  }

  /// Whichever adapters are computed beside it, and wherever the pass forks.
  @Test(
    arguments: [("llama-gqa-tied", true), ("qwen2", true), ("gpt2", false)],
    [ProductArithmetic.float32, .bfloat16(nil), .bfloat16(BFloat16Unit.available ?? .plain)])
  func theBitsAreThoseOfEachAlone(
    of tested: (name: String, isSparse: Bool), arithmetic: ProductArithmetic
  ) throws {
    let forms: [WeightAdapterConfiguration.Form] =
      [.scales(blockLength: 16)] + (tested.isSparse ? [.sparse(rank: 2)] : [])
    for form in forms {
      for targets in [Projection.allCases, [.output, .down]]
      where tested.isSparse || targets.count > 2 {
        let tiny = try Tiny(tested.name, form, targets, in: arithmetic)
        let adapters = tiny.adapters(4)
        let found = try tiny.losses(adapters)
        #expect(try found == adapters.map { try tiny.losses([$0])[0] })
        #expect(try found.reversed() == tiny.losses(adapters.reversed()))
        #expect(Set(found).count == 4)
        let start = tiny.model.initialAdapter()
        let plain = AdaptedModel(base: tiny.model.base)
        var workspace = plain.makeWorkspace()
        #expect(
          try tiny.losses([start, start])[1]
            == plain.loss(
              of: tiny.golden.batch(), adapter: plain.initialAdapter(), in: &workspace))
      }
    }
  }

  /// PEFT's own adapter, and PyTorch's loss with it.
  @Test(arguments: ["llama-gqa-tied", "qwen3"])
  func aSparseOneIsPEFTs(name: String) throws {
    struct Golden: Decodable {
      let loss: Double
      let smallest: [Int]
    }
    let folder = "\(GoldenModel.folder)/\(name)/shira"
    let expected = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: URL(filePath: "\(folder)/golden.json")))
    let golden = try GoldenModel(name)
    let model = try AdaptedModel(base: golden.base, adapter: AdapterFolder(reading: folder))
    var workspace = model.makeWorkspace()
    let loss = model.loss(
      of: try golden.batch(), adapter: model.initialAdapter(), in: &workspace)
    #expect(abs(loss - expected.loss) < 1e-5 * expected.loss)
    let tiny = try Tiny(name, .sparse(rank: 3), [.query])
    guard case .sparse(let places) = tiny.model.weightModules[0].form else {
      Issue.record("no sparse module")
      return
    }
    let width = tiny.model.weightModules[0].linear.inputWidth
    let found = places.rowStarts.indices.dropLast().flatMap { row in
      places.columns[places.rowStarts[row]..<places.rowStarts[row + 1]].map {
        row * width + Int($0)
      }
    }
    #expect(found == expected.smallest)
  }

  @Test(arguments: [
    ("llama-gqa-tied", WeightAdapterConfiguration.Form.sparse(rank: 2)),
    ("opt", .sparse(rank: 1)), ("gpt2", .scales(blockLength: 5)),
    ("qwen3", .scales(blockLength: 32)),
  ])
  func aFolderKeepsThem(name: String, form: WeightAdapterConfiguration.Form) throws {
    let tiny = try Tiny(name, form)
    let adapter = tiny.adapters(1)[0]
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tern-weights-\(UUID().uuidString)").path()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var exported = tiny.model.exportedFolder(adapter)
    exported.baseModel = "somewhere"
    try exported.write(to: folder)
    let read = try AdapterFolder(reading: folder)
    #expect(read.baseModel == "somewhere")
    let model = try AdaptedModel(base: tiny.golden.base, adapter: read)
    var workspace = model.makeWorkspace()
    let loss = model.loss(
      of: try tiny.golden.batch(), adapter: model.initialAdapter(), in: &workspace)
    #expect(try tiny.losses([adapter]) == [loss])
    var again = model.exportedFolder(model.initialAdapter())
    again.baseModel = "somewhere"
    try again.write(to: folder)
    #expect(try AdapterFolder(reading: folder) == read)
  }

  @Test func theLayoutIsKnownWithoutWeights() throws {
    for form in [WeightAdapterConfiguration.Form.sparse(rank: 2), .scales(blockLength: 9)] {
      let tiny = try Tiny("qwen2", form, [.key, .down])
      let configuration = WeightAdapterConfiguration(form, targets: [.down, .key])
      let layout = configuration.layout(for: tiny.checkpoint.configuration)
      #expect(tiny.model.layout == layout)
      #expect(layout.entries.count == 2 * tiny.checkpoint.configuration.layerCount)
    }
  }

  @Test func whatHasNoPlaceIsRefused() throws {
    let gpt2 = try GoldenModel("gpt2").base.configuration
    #expect(throws: ModelError.unsupportedForm("sparse", family: "gpt2")) {
      try WeightAdapterConfiguration(.sparse(rank: 1)).check(gpt2)
    }
    let llama = try GoldenModel("llama-gqa-tied").base.configuration
    #expect(throws: ModelError.self) {
      try WeightAdapterConfiguration(.sparse(rank: 33)).check(llama)
    }
    #expect(throws: ModelError.self) {
      try WeightAdapterConfiguration(.scales(blockLength: 8), targets: [.query]).check(gpt2)
    }
    #expect(throws: Never.self) {
      try WeightAdapterConfiguration(.sparse(rank: 32), targets: [.query]).check(llama)
    }
    for error in [
      ModelError.unsupportedForm("sparse", family: "gpt2"),
      .tooManyWeights(module: "x.y", wanted: 5, count: 4),
      .repeatedPlace(module: "x.y", row: 1, column: 2),
    ] { #expect(!error.description.contains("\n")) }
  }

  @Test func damagedAdaptersAreRefused() throws {
    let golden = try GoldenModel("qwen3")
    let name = "model.layers.0.self_attn.q_proj"
    func refusal(_ module: WeightAdapter.Module, _ form: WeightAdapter.Form) -> ModelError? {
      do throws(ModelError) {
        _ = try AdaptedModel(base: golden.base, adapter: WeightAdapter(form, modules: [module]))
        return nil
      } catch {
        return error
      }
    }
    func sparse(_ values: [Float], _ rows: [Int32], _ columns: [Int32]) -> ModelError? {
      refusal(
        WeightAdapter.Module(name: name, values: values, rows: rows, columns: columns),
        .sparse(rank: 1))
    }
    #expect(sparse([1, 2], [0, 3], [1, 1]) == nil)
    #expect(sparse([1, 2], [3, 3], [1, 1]) == .repeatedPlace(module: name, row: 3, column: 1))
    #expect(sparse([.nan], [0], [0]) == .notFinite(module: name))
    for (row, column) in [(-1, 0), (0, -1), (1 << 20, 0), (0, 1 << 20)] {
      guard case .wrongShape = sparse([1], [Int32(row)], [Int32(column)]) else {
        Issue.record("row \(row), column \(column)")
        continue
      }
    }
    let scales = WeightAdapter.Module(name: name, values: [1, 2, 3])
    guard case .wrongShape = refusal(scales, .scales(blockLength: 16)) else {
      Issue.record("three scales")
      return
    }
    let unknown = WeightAdapter.Module(name: "lm_head", values: [])
    #expect(refusal(unknown, .scales(blockLength: 16)) == .unknownModule("lm_head"))
  }

  @Test func plansSayWhatIsLearned() throws {
    for adapter in [
      AdapterConfiguration.lora(LoRAConfiguration(rank: 3, alpha: 4, seed: 5)),
      .weights(WeightAdapterConfiguration(.sparse(rank: 3), targets: [.up])),
      .weights(WeightAdapterConfiguration(.scales(blockLength: 32))),
    ] {
      let bytes = try JSONEncoder().encode(adapter)
      #expect(try JSONDecoder().decode(AdapterConfiguration.self, from: bytes) == adapter)
    }
    for text in [
      #"{"form":"sparse","rank":0,"targets":["q_proj"]}"#,
      #"{"form":"sparse","rank":3,"targets":[]}"#, #"{"form":"sparse","targets":["q_proj"]}"#,
      #"{"form":"scales","blockLength":-1,"targets":["q_proj"]}"#,
      #"{"form":"dense","targets":["q_proj"]}"#, #"{"form":3}"#,
    ] {
      #expect(throws: DecodingError.self, "\(text)") {
        try JSONDecoder().decode(AdapterConfiguration.self, from: Data(text.utf8))
      }
    }
  }
}
