// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Tensors
import Testing

@testable import Models

/// Steps in less memory, and what is known of their memory before.
@Suite struct MemoryPlanTests {
  private let batch = TokenBatch(
    sequences: [(tokens: Array(1...40), first: 30), (Array(50...62), 1), ([3, 1, 4, 1, 5], 2)])
  private let extent = BatchExtent(tokenCount: 58, targetRowCount: 28, longestSequence: 40)

  private func model(
    _ name: String, _ targets: [Projection] = Projection.allCases,
    _ factors: LoRAConfiguration.Factors = .both, in arithmetic: ProductArithmetic = .float32
  ) throws -> AdaptedModel {
    let base = try GoldenModel(name).base.computing(in: arithmetic)
    // What lies in one matrix with a target is adapted with it.
    let whole = base.configuration.linearLayers.map(\.projections).filter {
      !Set($0).isDisjoint(with: targets)
    }
    return AdaptedModel(
      base: base,
      lora: LoRAConfiguration(
        rank: 3, alpha: 6, targets: whole.flatMap { $0 }, factors: factors, seed: 1))
  }

  private func adapter(of model: AdaptedModel) -> ParameterVector {
    var adapter = model.initialAdapter()
    for index in adapter.values.indices where adapter.values[index] == 0 {
      adapter.values[index] = Float(index % 17 - 8) / 100
    }
    return adapter
  }

  @Test(arguments: GoldenModel.names, [LoRAConfiguration.Factors.b, .both])
  func computingTwiceGivesTheSameBits(
    name: String, factors: LoRAConfiguration.Factors
  ) throws {
    for targets in [Projection.allCases, [.down], [.value, .output]] {
      let model = try model(name, targets, factors)
      let adapter = adapter(of: model)
      var results: [(loss: Double, gradient: ParameterVector)] = []
      for count in 0...(model.base.configuration.layerCount + 1) {
        var workspace = model.makeWorkspace(for: .step(recomputing: count))
        for _ in 0..<2 {
          var gradient = ParameterVector(zerosOf: model.layout)
          let loss = model.loss(
            of: batch, adapter: adapter, in: &workspace, addingGradientTo: &gradient)
          results.append((loss, gradient))
          #expect(model.loss(of: batch, adapter: adapter, in: &workspace) == loss)
        }
      }
      #expect(results.allSatisfy { $0.loss == results[0].loss })
      #expect(results.allSatisfy { $0.gradient == results[0].gradient })
      #expect(results[0].gradient.norm > 0)
    }
  }

  @Test(
    arguments: GoldenModel.names, [.float32, .bfloat16(nil), ProductArithmetic.bfloat16(.plain)])
  func thePlanIsWhatAStepTakes(name: String, arithmetic: ProductArithmetic) throws {
    let model = try model(name, in: arithmetic)
    for count in 0...model.base.configuration.layerCount {
      var workspace = model.makeWorkspace(for: .step(recomputing: count))
      var gradient = ParameterVector(zerosOf: model.layout)
      _ = model.loss(
        of: batch, adapter: adapter(of: model), in: &workspace, addingGradientTo: &gradient)
      let plan = model.memoryPlan(
        of: extent, threadCount: 1, vectorCount: 0, others: 0, recomputing: count)
      let taken = 4 * workspace.elementCount
      #expect(taken <= plan.activations)
      #expect(Double(taken) > 0.9 * Double(plan.activations), "\(count) computed twice")
    }
  }

  /// Memory is taken before the first step, and no step moves it or takes more.
  @Test(
    arguments: GoldenModel.names, [.float32, .bfloat16(nil), ProductArithmetic.bfloat16(.plain)])
  func aStepTakesNothingMore(name: String, arithmetic: ProductArithmetic) throws {
    let model = try model(name, in: arithmetic)
    let adapter = adapter(of: model)
    for count in 0...model.base.configuration.layerCount {
      var workspace = model.makeWorkspace(for: .step(recomputing: count), of: extent)
      let taken = workspace.capacity
      var gradient = ParameterVector(zerosOf: model.layout)
      for _ in 0..<2 {
        _ = model.loss(of: batch, adapter: adapter, in: &workspace, addingGradientTo: &gradient)
      }
      #expect(workspace.capacity == taken, "\(count) computed twice")
    }
    for count in 1...3 {
      let adapters = (0..<count).map { index in
        ParameterVector(
          layout: model.layout, values: adapter.values.map { $0 + Float(index) / 500 })
      }
      var workspace = model.makeWorkspace(for: .forward(adapterCount: count), of: extent)
      let taken = workspace.capacity
      _ = model.losses(of: batch, adapters: adapters, in: &workspace)
      #expect(workspace.capacity == taken, "\(count) adapters")
    }
  }

  /// Changed weights are expanded anew for each adapter, also where others are packed once or lent.
  @Test(arguments: [
    ProductArithmetic.float32, .bfloat16(nil), .bfloat16(BFloat16Unit.available ?? .plain),
  ])
  func lossesWithChangedWeightsTakeNothingMore(arithmetic: ProductArithmetic) throws {
    let name = "llama-gqa-tied"
    for form in [WeightAdapterConfiguration.Form.sparse(rank: 2), .scales(blockLength: 16)] {
      let model = AdaptedModel(
        base: try GoldenModel(name).base.computing(in: arithmetic),
        weights: try WeightModules(
          of: Checkpoint(path: "\(GoldenModel.folder)/\(name)"), WeightAdapterConfiguration(form)))
      let adapters = (1...3).map { scale in
        ParameterVector(
          layout: model.layout,
          values: model.initialAdapter().values.indices.map { Float(scale * ($0 % 5)) / 500 })
      }
      for count in 1...3 {
        var workspace = model.makeWorkspace(for: .forward(adapterCount: count), of: extent)
        let taken = workspace.capacity
        _ = model.losses(of: batch, adapters: Array(adapters.prefix(count)), in: &workspace)
        #expect(workspace.capacity == taken, "\(count) adapters")
      }
      let plan = model.forwardMemoryPlan(of: extent, vectorCount: 2)
      let places = model.weightModules.reduce(0) { sum, module in
        if case .sparse(let places) = module.form { sum + places.byteCount } else { sum }
      }
      #expect(plan.vectors == 2 * 4 * model.layout.count + places)
    }
  }

  @Test func whoeverComputesNextTakesTheSameMemory() throws {
    let model = try model("llama-gqa-tied")
    let (pass, small) = (
      Pass.step(recomputing: 1), BatchExtent(tokenCount: 9, targetRowCount: 3, longestSequence: 9)
    )
    model.giveBack(model.takeWorkspace(for: pass, of: small))
    let other = model.takeWorkspace(for: .forward(adapterCount: 1), of: small)
    let larger = model.takeWorkspace(for: pass, of: extent)
    #expect(other.pass != pass && larger.pass == pass && larger.extent == extent)
    let capacity = larger.capacity
    model.giveBack(larger)
    let again = model.takeWorkspace(for: pass, of: small)
    #expect(again.extent == extent && again.capacity == capacity)
    // Nobody has given another back.
    #expect(model.takeWorkspace(for: pass, of: small).extent == small)
  }

  @Test(arguments: GoldenModel.names) func aForwardPassTakesLess(name: String) throws {
    let model = try model(name)
    var workspace = model.makeWorkspace()
    _ = model.loss(of: batch, adapter: adapter(of: model), in: &workspace)
    let plan = model.forwardMemoryPlan(of: extent, vectorCount: 2)
    let taken = 4 * workspace.elementCount
    #expect(plan.vectors == 2 * 4 * model.layout.count)
    #expect(taken <= plan.activations && Double(taken) > 0.9 * Double(plan.activations))
    #expect(plan.activations < model.leastMemoryPlan(of: extent, vectorCount: 2).activations)
  }

  @Test(arguments: GoldenModel.names) func lossesOfManyTakeWhatIsPlanned(name: String) throws {
    let model = try model(name)
    for count in 1...5 {
      let adapters = (0..<count).map { index in
        ParameterVector(
          layout: model.layout, values: adapter(of: model).values.map { $0 + Float(index) / 500 })
      }
      var workspace = model.makeWorkspace()
      _ = model.losses(of: batch, adapters: adapters, in: &workspace)
      let plan = try model.memoryPlan(ofLossesOf: extent, adapterCount: count, vectorCount: 2)
      #expect(plan.adapterCount == count && plan.threadCount == 1)
      #expect(plan.vectors == (2 + count) * 4 * model.layout.count)
      let taken = 4 * workspace.elementCount
      #expect(taken <= plan.activations && Double(taken) > 0.85 * Double(plan.activations))
    }
  }

  @Test func lessMemoryMeansFewerAdaptersAtOnce() throws {
    let model = try model("llama-gqa-tied")
    func plan(threads: Int = 1, budget: Int? = nil) throws(ModelError) -> MemoryPlan {
      try model.memoryPlan(
        ofLossesOf: extent, adapterCount: 7, threadCount: threads, vectorCount: 2, others: 100,
        budget: budget)
    }
    let useful = try plan()
    #expect(useful.adapterCount == 7 && useful.others == 100)
    let squeezed = try plan(budget: useful.byteCount - 1)
    #expect(squeezed.adapterCount == 6 && squeezed.byteCount < useful.byteCount)
    #expect(try plan(threads: 2).adapterCount == 4 && plan(threads: 2).threadCount == 2)
    let forward = model.forwardMemoryPlan(of: extent, vectorCount: 3, others: 100)
    let least = try plan(threads: 3, budget: forward.byteCount)
    #expect(least.adapterCount == 1 && least.threadCount == 1)
    #expect(least.byteCount == forward.byteCount)
    let error = ModelError.memory(budget: 1000, least: forward.byteCount)
    #expect(throws: error) { try plan(budget: 1000) }
  }

  @Test func aBudgetIsKeptOrRefused() throws {
    let model = try model("llama-gqa-tied")
    let useful = try model.memoryPlan(of: extent, vectorCount: 5, others: 1000)
    let least = model.leastMemoryPlan(of: extent, vectorCount: 5, others: 1000)
    #expect(useful.recomputedBlockCount == 0)
    #expect(useful.vectors == 6 * 4 * model.layout.count && useful.others == 1000)
    let twice = try model.memoryPlan(of: extent, threadCount: 2, vectorCount: 5, others: 1000)
    #expect(twice.activations == 2 * useful.activations)
    #expect(twice.vectors == 7 * 4 * model.layout.count)
    #expect(least.byteCount < useful.byteCount)
    for budget in [useful.byteCount, useful.byteCount - 1, least.byteCount] {
      let plan = try model.memoryPlan(of: extent, vectorCount: 5, others: 1000, budget: budget)
      #expect(plan.byteCount <= budget)
    }
    #expect(twice.threadCount == 2 && useful.threadCount == 1)
    let squeezed = try model.memoryPlan(
      of: extent, threadCount: 2, vectorCount: 5, others: 1000, budget: least.byteCount)
    #expect(squeezed == least)
    let error = ModelError.memory(budget: least.byteCount - 1, least: least.byteCount)
    #expect(throws: error) {
      try model.memoryPlan(of: extent, vectorCount: 5, others: 1000, budget: least.byteCount - 1)
    }
    #expect("\(error)".contains("is the least") && !"\(error)".contains("\n"))
  }

  @Test func whatIsFrozenOfAnAdapterCountsOnce() throws {
    let (frozen, learned) = (
      try model("gpt2", Projection.allCases, .b), try model("gpt2", Projection.allCases, .both)
    )
    let plan = frozen.forwardMemoryPlan(of: extent, vectorCount: 3)
    let a = learned.layout.count - frozen.layout.count
    #expect(a > 0 && plan.vectors == 4 * (3 * frozen.layout.count + a))
  }

  @Test(arguments: Quantization.allCases)
  func fewerBitsTakeLessAndAreNotShared(quantization: Quantization) throws {
    let folder = "\(GoldenModel.folder)/llama-gqa-tied"
    let base = try DecoderModel(Checkpoint(path: folder), quantization: quantization)
    let model = AdaptedModel(
      base: base, lora: LoRAConfiguration(rank: 3, alpha: 6, factors: .b, seed: 1))
    let plan = try model.memoryPlan(of: extent, vectorCount: 0)
    let stored = try self.model("llama-gqa-tied").memoryPlan(of: extent, vectorCount: 0)
    // The embedding stays 32 bits, which is most of so small a model.
    #expect(plan.sharedWeights == 4 * base.configuration.vocabularySize * base.configuration.width)
    let own = plan.weights - plan.sharedWeights
    let bits = Double(own * 8) / Double((stored.weights - plan.sharedWeights) / 4)
    let expected: [Quantization: Range<Double>] = [
      .nf4: 4..<4.2, .int8: 8..<8.6, .bf16: 16..<16.1,
    ]
    #expect(try #require(expected[quantization]).contains(bits))
    var workspace = model.makeWorkspace()
    let loss = model.loss(of: batch, adapter: model.initialAdapter(), in: &workspace)
    let exact = try self.model("llama-gqa-tied", Projection.allCases, .b).loss(
      of: batch, adapter: model.initialAdapter(), in: &workspace)
    #expect(loss != exact && abs(loss - exact) < 0.1 * exact)
  }

  @Test func weightsAreCountedOnceAsTheyAreStored() throws {
    for name in GoldenModel.names {
      let file = try SafetensorsFile(path: "\(GoldenModel.folder)/\(name)/model.safetensors")
      let matrices = file.tensors.values.filter { $0.shape.count == 2 }
      let model = try model(name)
      let plan = try model.memoryPlan(of: extent, vectorCount: 0)
      #expect(
        plan.weights
          == matrices.reduce(0) {
            $0 + $1.count / $1.type.blockLength * $1.type.blockByteCount
          })
      #expect(plan.sharedWeights == plan.weights)
    }
  }
}

extension Workspace {
  /// For how many values there is memory.
  fileprivate var capacity: Int {
    [saved as Any, inputs_TC, stream, scratch].reduce(0) { $0 + Self.capacity($1) }
  }

  private static func capacity(_ value: Any) -> Int {
    // Empty arrays are arrays of anything when they are asked.
    if type(of: value) == [Float].self { return (value as? [Float])?.capacity ?? 0 }
    if type(of: value) == [UInt16].self { return (value as? [UInt16])?.capacity ?? 0 }
    return Mirror(reflecting: value).children.reduce(0) { $0 + capacity($1.value) }
  }

  /// The floats that are there.
  fileprivate var elementCount: Int {
    saved.reduce(0) { $0 + $1.elementCount } + inputs_TC.reduce(0) { $0 + $1.values.count }
      + stream.values.count + scratch.elementCount
  }
}

extension SavedBlock {
  fileprivate var elementCount: Int {
    [input_TC, plain_TW, qkv_TW, attention_TQ, middle_TC, gateUp_TG].reduce(0) {
      $0 + $1.values.count
    } + lowered_TK.reduce(0) { $0 + $1.values.count }
      + [inputStatistics, queryReciprocals, keyReciprocals, middleStatistics].reduce(0) {
        $0 + $1.count
      } + statisticsCount
  }

  private var statisticsCount: Int {
    Mirror(reflecting: statistics).children.reduce(0) { $0 + (($1.value as? [Float])?.count ?? 0) }
  }
}

extension Scratch {
  fileprivate var elementCount: Int { Self.count(self) }

  /// All arrays of floats in a value, however deep, and what is packed, as so many floats.
  private static func count(_ value: Any) -> Int {
    if let values = value as? [Float] { return values.count }
    if let packed = value as? [UInt16] { return (packed.count + 1) / 2 }
    return Mirror(reflecting: value).children.reduce(0) { $0 + count($1.value) }
  }
}
