// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Tensors
import Testing

struct AdaptedModelTests {
  private let golden: GoldenModel
  private let batch: TokenBatch

  init() throws {
    golden = try GoldenModel("llama-gqa-tied")
    batch = try golden.batch()
  }

  private func gradient(
    _ model: AdaptedModel, _ batch: TokenBatch, _ adapter: ParameterVector
  ) -> ParameterVector {
    var gradient = ParameterVector(zerosOf: model.layout)
    var workspace = model.makeWorkspace()
    _ = model.loss(of: batch, adapter: adapter, in: &workspace, addingGradientTo: &gradient)
    return gradient
  }

  private func loss(
    _ model: AdaptedModel, _ batch: TokenBatch, _ adapter: ParameterVector
  ) -> Double {
    var workspace = model.makeWorkspace()
    return model.loss(of: batch, adapter: adapter, in: &workspace)
  }

  /// Values that are neither zero nor alike.
  private func shaken(_ adapter: ParameterVector) -> ParameterVector {
    var adapter = adapter
    for index in adapter.values.indices {
      adapter.values[index] += Float(index * 37 % 101 - 50) * 1e-3
    }
    return adapter
  }

  @Test(arguments: GoldenModel.names)
  func gradientIsThatOfFiniteDifferences(name: String) throws {
    let golden = try GoldenModel(name)
    let model = try AdaptedModel(base: golden.base, adapter: golden.adapter)
    let batch = try golden.batch()
    let adapter = model.initialAdapter()
    let gradient = gradient(model, batch, adapter)
    // Along the gradient itself, where the difference is largest against rounding.
    let step = Float(1e-2 / gradient.norm)
    var (above, below) = (adapter, adapter)
    above.add(gradient, scaledBy: step)
    below.add(gradient, scaledBy: -step)
    let slope = (loss(model, batch, above) - loss(model, batch, below)) / Double(2 * step)
    #expect(abs(slope / (gradient.norm * gradient.norm) - 1) < 2e-3)
  }

  @Test(arguments: ["llama-gqa-tied", "gpt2", "opt"], LoRAConfiguration.Factors.allCases)
  func aSingleLayerHasTheGradientThatItHasAmongAll(
    name: String, factors: LoRAConfiguration.Factors
  ) throws {
    let golden = try GoldenModel(name)
    for linear in golden.base.configuration.linearLayers {
      try expectSameGradient(of: linear, factors, golden)
    }
  }

  private func expectSameGradient(
    of linear: LinearLayer, _ factors: LoRAConfiguration.Factors, _ golden: GoldenModel
  ) throws {
    let batch = try golden.batch()
    let alone = AdaptedModel(
      base: golden.base,
      lora: LoRAConfiguration(
        rank: 3, alpha: 5, targets: linear.projections, factors: factors, seed: 4))
    #expect(alone.layout.entries.allSatisfy { $0.name.contains(".\(linear.path).") })
    let all = AdaptedModel(
      base: golden.base, lora: LoRAConfiguration(rank: 3, alpha: 5, factors: factors, seed: 4))
    let adapter = shaken(alone.initialAdapter())
    var embedded = all.initialAdapter()
    for entry in alone.layout.entries {
      let range = all.layout.entry(named: entry.name)?.range ?? 0..<0
      embedded.values.replaceSubrange(range, with: adapter.values[entry.range])
    }
    let (found, expected) = (gradient(alone, batch, adapter), gradient(all, batch, embedded))
    for entry in alone.layout.entries {
      let range = all.layout.entry(named: entry.name)?.range ?? 0..<0
      let error = relativeError(found.values[entry.range], expected.values[range])
      #expect(error < 1e-5, "\(entry.name)")
    }
  }

  @Test func frozenFactorsChangeNothingForTheOthers() throws {
    let frozen = AdaptedModel(
      base: golden.base, lora: LoRAConfiguration(rank: 4, alpha: 8, seed: 9))
    let adapter = shaken(frozen.initialAdapter())
    let learned = try AdaptedModel(base: golden.base, adapter: frozen.exported(adapter))
    let whole = learned.initialAdapter()
    #expect(abs(loss(frozen, batch, adapter) - loss(learned, batch, whole)) < 1e-5)
    let (found, expected) = (gradient(frozen, batch, adapter), gradient(learned, batch, whole))
    for entry in frozen.layout.entries {
      let range = learned.layout.entry(named: entry.name)?.range ?? 0..<0
      #expect(relativeError(found.values[entry.range], expected.values[range]) < 1e-5)
    }
  }

  @Test func onlyUpperBlocksCanBeAdaptedWithRanksOfTheirOwn() throws {
    var partial = golden.adapter
    partial.modules = partial.modules.filter {
      ["model.layers.1.mlp.up_proj", "model.layers.2.self_attn.v_proj"].contains($0.name)
    }
    partial.modules[0].rank = 2
    partial.modules[0].a.removeLast(2 * partial.modules[0].inputWidth)
    partial.modules[0].b.removeLast(2 * partial.modules[0].outputWidth)
    let model = try AdaptedModel(base: golden.base, adapter: partial)
    let adapter = model.initialAdapter()
    #expect(model.layout.entries.map(\.shape) == [[2, 64], [160, 2], [4, 64], [32, 4]])
    let gradient = gradient(model, batch, adapter)
    for index in stride(from: 0, to: adapter.values.count, by: 97) {
      var (above, below) = (adapter, adapter)
      above.values[index] += 2e-2
      below.values[index] -= 2e-2
      let slope = (loss(model, batch, above) - loss(model, batch, below)) / 4e-2
      #expect(abs(slope - Double(gradient.values[index])) < 2e-3, "element \(index)")
    }
  }

  @Test func gradientsAreAddedToWhatIsThere() {
    let model = AdaptedModel(
      base: golden.base, lora: LoRAConfiguration(rank: 2, alpha: 2, factors: .both, seed: 1))
    let adapter = shaken(model.initialAdapter())
    var twice = gradient(model, batch, adapter)
    let once = twice
    var workspace = model.makeWorkspace()
    let found = model.loss(
      of: batch, adapter: adapter, in: &workspace, addingGradientTo: &twice)
    #expect(found == loss(model, batch, adapter))
    #expect(relativeError(twice.values, once.values.map { 2 * $0 }) < 1e-6)
  }

  @Test(arguments: ["llama-gqa-tied", "gpt2-scaled", "opt"])
  func sameInputsGiveTheSameBitsWhateverWasComputedBefore(name: String) throws {
    let golden = try GoldenModel(name)
    let model = AdaptedModel(
      base: golden.base, lora: LoRAConfiguration(rank: 2, alpha: 2, factors: .both, seed: 1))
    let adapter = shaken(model.initialAdapter())
    let fresh = gradient(model, batch, adapter)
    var workspace = model.makeWorkspace()
    let long = TokenBatch(sequences: [(tokens: Array(1...90), first: 1), ([1, 2, 4], 1)])
    var junk = ParameterVector(zerosOf: model.layout)
    _ = model.loss(of: long, adapter: adapter, in: &workspace, addingGradientTo: &junk)
    for _ in 0..<2 {
      var again = ParameterVector(zerosOf: model.layout)
      _ = model.loss(of: batch, adapter: adapter, in: &workspace, addingGradientTo: &again)
      #expect(again == fresh)
    }
  }

  @Test func memoryDoesNotGrowFromStepToStep() {
    let model = AdaptedModel(
      base: golden.base, lora: LoRAConfiguration(rank: 2, alpha: 2, factors: .both, seed: 1))
    var workspace = model.makeWorkspace()
    var gradient = ParameterVector(zerosOf: model.layout)
    var sizes: [Int] = []
    for _ in 0..<24 {
      _ = model.loss(
        of: batch, adapter: model.initialAdapter(), in: &workspace, addingGradientTo: &gradient)
      sizes.append(floatCount(workspace))
    }
    #expect(sizes[0] > 0)
    #expect(Set(sizes.suffix(12)).count == 1)
  }

  /// The number of floats in all arrays of a value.
  private func floatCount(_ value: Any) -> Int {
    if let floats = value as? [Float] { return floats.count }
    return Mirror(reflecting: value).children.reduce(0) { $0 + floatCount($1.value) }
  }

  @Test func sequencesDoNotSeeEachOther() {
    let model = AdaptedModel(base: golden.base)
    let none = model.initialAdapter()
    let first = (tokens: (0..<70).map { Int32($0 * 7 % 512) }, first: 1)
    let second = (tokens: (0..<9).map { Int32($0 * 5 + 3) }, first: 4)
    var workspace = model.makeWorkspace()
    let together = model.logProbabilities(
      of: TokenBatch(sequences: [first, second]), adapter: none, in: &workspace)
    let apart = [first, second].flatMap {
      model.logProbabilities(of: TokenBatch(sequences: [$0]), adapter: none, in: &workspace)
    }
    #expect(together.count == 69 + 5)
    #expect(relativeError(together, apart) < 1e-5)
  }

  @Test(arguments: ["mistral-swa8", "qwen3", "gpt2", "opt"])
  func aSharedBeginningChangesNoLossAndNoGradient(name: String) throws {
    let golden = try GoldenModel(name)
    let model = try AdaptedModel(base: golden.base, adapter: golden.adapter)
    let adapter = model.initialAdapter()
    let start: [Int32] = [7, 7, 30, 5, 99, 8, 70, 41, 3, 12]
    let texts = [[4, 5, 6], [4], [9, 9, 9, 9], [10]].map { (tokens: start + $0, first: 6) }
    var (together, apart) = (ParameterVector(zerosOf: model.layout), [Float]())
    var (workspace, mean) = (model.makeWorkspace(), ParameterVector(zerosOf: model.layout))
    let batch = TokenBatch(sequences: texts)
    _ = model.loss(of: batch, adapter: adapter, in: &workspace, addingGradientTo: &together)
    for text in texts {
      let single = TokenBatch(sequences: [text])
      apart += model.logProbabilities(of: single, adapter: adapter, in: &workspace)
      mean.add(
        gradient(model, single, adapter),
        scaledBy: Float(single.targets.count) / Float(batch.targets.count))
    }
    let found = model.logProbabilities(of: batch, adapter: adapter, in: &workspace)
    #expect(relativeError(found, apart) < 1e-5)
    for entry in model.layout.entries {
      let error = relativeError(together.values[entry.range], mean.values[entry.range])
      #expect(error < 1e-4, "\(entry.name)")
    }
  }

  @Test func targetsMayShareAPositionAndNeedNotExist() {
    let model = AdaptedModel(base: golden.base)
    var workspace = model.makeWorkspace()
    func batch(_ targets: [TokenBatch.Target]) -> TokenBatch {
      TokenBatch(tokens: [5, 6, 7], sequenceLengths: [3], targets: targets)
    }
    let all = (0..<512).map { TokenBatch.Target(position: 1, token: $0) }
    let found = model.logProbabilities(
      of: batch(all), adapter: model.initialAdapter(), in: &workspace)
    #expect(abs(Kernels.exponentials(of: found).reduce(0, +) - 1) < 1e-5)
    let none = model.logProbabilities(
      of: batch([]), adapter: model.initialAdapter(), in: &workspace)
    #expect(none.isEmpty)
  }

  @Test func theLikeliestTokenOfAPlaceIsSaidToBe() throws {
    let model = AdaptedModel(base: golden.base)
    var workspace = model.makeWorkspace()
    let targets = [0, 2].flatMap { position in
      (0..<Int32(512)).map { TokenBatch.Target(position: position, token: $0) }
    }
    let batch = TokenBatch(tokens: [5, 6, 7], sequenceLengths: [3], targets: targets)
    let scores = model.scores(of: batch, adapters: [model.initialAdapter()], in: &workspace)[0]
    for place in [scores[..<512], scores[512...]] {
      let best = try #require(place.map(\.logProbability).max())
      #expect(place.count(where: \.isLikeliest) == 1)
      #expect(place.first(where: \.isLikeliest)?.logProbability == best)
    }
  }

  @Test func sharedPositionsHaveTheMeanOfTheirGradients() {
    let model = AdaptedModel(
      base: golden.base, lora: LoRAConfiguration(rank: 2, alpha: 2, seed: 1))
    let adapter = shaken(model.initialAdapter())
    let targets = [3, 400].map { TokenBatch.Target(position: 2, token: $0) }
    func batch(_ targets: [TokenBatch.Target]) -> TokenBatch {
      TokenBatch(tokens: [5, 6, 7], sequenceLengths: [3], targets: targets)
    }
    let both = gradient(model, batch(targets), adapter)
    var mean = gradient(model, batch([targets[0]]), adapter)
    mean.add(gradient(model, batch([targets[1]]), adapter))
    Kernels.scale(&mean.values, by: 0.5)
    #expect(relativeError(both.values, mean.values) < 1e-4)
  }

  @Test func aModelWithoutAdapterHasAnEmptyGradient() {
    let model = AdaptedModel(base: golden.base)
    let none = model.initialAdapter()
    #expect(model.layout.count == 0)
    #expect(gradient(model, batch, none) == none)
  }
}
