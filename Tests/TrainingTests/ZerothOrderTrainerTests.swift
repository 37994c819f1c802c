// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Randomness
import Tensors
import Testing
import Updates

@testable import Training

struct ZerothOrderTrainerTests {
  private let tiny: TinyModel

  init() throws { tiny = try TinyModel() }

  private func model(_ factors: LoRAConfiguration.Factors = .b) -> AdaptedModel {
    AdaptedModel(
      base: tiny.base, lora: LoRAConfiguration(rank: 2, alpha: 4, factors: factors, seed: 3))
  }

  private func trainer(
    _ settings: ZerothOrderTraining, _ model: AdaptedModel? = nil, versions: Int = 1,
    key: UInt64 = 7, firstQuery: UInt32 = 0, threads: Int = 1, adapters: Int = 2
  ) throws -> ZerothOrderTrainer {
    try ZerothOrderTrainer(
      model: model ?? self.model(), examples: tiny.goldenExamples(), settings: settings,
      totalVersions: versions, seed: Seed(5),
      directions: Directions(key: key, distribution: settings.distribution),
      firstQuery: firstQuery, threadCount: threads, adapterCount: adapters)
  }

  private func settings(
    steps: Int = 3, queries: Int = 3, rate: Double = 1e-3,
    _ kind: GradientEstimator.Kind = .twoSided, rule: UpdateRule = .sgd
  ) -> ZerothOrderTraining {
    ZerothOrderTraining(
      localSteps: steps, batchSize: 2, queryCount: queries, learningRate: rate,
      estimator: GradientEstimator(kind, perturbation: 5e-3), rule: rule)
  }

  /// Every way to train, and steps enough that rounding would show.
  static let variants: [(GradientEstimator.Kind, UpdateRule, Bool, Directions.Distribution)] = [
    (.twoSided, .sgd, false, .rademacher), (.oneSided, .sign, false, .rademacher),
    (.curvatureWeighted, .momentum(beta: 0.9), false, .gaussian),
    (.twoSided, .adam(), false, .rademacher), (.twoSided, .sgd, true, .gaussian),
  ]

  @Test(arguments: variants)
  func theStepsLeadFromTheSameStartToTheSameBits(
    kind: GradientEstimator.Kind, rule: UpdateRule, isConservative: Bool,
    distribution: Directions.Distribution
  ) throws {
    var settings = settings(steps: 50, queries: 2, kind, rule: rule)
    (settings.isConservative, settings.distribution) = (isConservative, distribution)
    settings.schedule = .cosine
    let trainer = try trainer(settings)
    let start = model().initialAdapter()
    let result = try trainer.train(from: start, version: 0)
    #expect(result.steps.map(\.step) == Array(0..<50))
    #expect(result.adapter != start && result.adapter.isFinite)
    var replica = trainer.replica(from: start)
    for step in result.steps { replica.apply(step) }
    #expect(replica.adapter == result.adapter)
  }

  @Test func theResultIsAFunctionOfTheArguments() throws {
    let start = model().initialAdapter()
    func steps(_ trainer: ZerothOrderTrainer, version: Int = 1) throws -> [DirectionStep] {
      try trainer.train(from: start, version: version).steps
    }
    let first = try steps(trainer(settings(), versions: 3))
    #expect(first.map(\.step) == [3, 4, 5])
    #expect(try steps(trainer(settings(), versions: 3)) == first)
    #expect(try steps(trainer(settings(), versions: 3), version: 2) != first)
    #expect(try steps(trainer(settings(), versions: 3, key: 8)) != first)
    let others = try steps(trainer(settings(), versions: 3, firstQuery: 3))
    #expect(others.flatMap(\.terms).map(\.query) == [3, 4, 5, 3, 4, 5, 3, 4, 5])
    #expect(others[0].terms.map(\.coefficient) != first[0].terms.map(\.coefficient))
  }

  @Test func ofAPoolEachStepEvaluatesSomeDirections() throws {
    var settings = settings(steps: 40, queries: 3)
    settings.source = .pool(count: 8)
    let start = model().initialAdapter()
    let trainer = try trainer(settings, versions: 2)
    let result = try trainer.train(from: start, version: 0)
    #expect(result.steps.count == 40 && result.steps.allSatisfy { $0.step == 0 })
    let draws = result.steps.map { $0.terms.map(\.query) }
    #expect(draws.allSatisfy { $0.count == 3 && $0 == Array(Set($0)).sorted() })
    #expect(Set(draws).count > 20 && Set(draws.joined()) == Set(0..<8))
    var replica = trainer.replica(from: start)
    for step in result.steps { replica.apply(step) }
    #expect(replica.adapter == result.adapter && result.adapter != start)
    // As one walk each direction is in it once, and leads there but for rounding.
    let walk = trainer.walk(of: result.steps)
    #expect(walk.steps.count == 1 && walk.steps[0].terms.map(\.query) == Array(0..<8))
    var moved = trainer.replica(from: start)
    moved.apply(contentsOf: walk.steps)
    for (found, expected) in zip(moved.adapter.values, result.adapter.values) {
      #expect(abs(found - expected) < 1e-5)
    }
    let later = try trainer.train(from: start, version: 1)
    #expect(later.steps.map { $0.terms.map(\.query) } != draws)
  }

  @Test func inBlocksEveryStepLearnsTheNextLayers() throws {
    let layerCount = tiny.base.configuration.layerCount
    var settings = settings(steps: 60, queries: 8, rate: 8e-3)
    settings.blockCount = layerCount
    let trainer = try trainer(settings)
    let start = model().initialAdapter()
    var losses: [Double] = []
    let result = try trainer.train(from: start, version: 0) {
      losses.append(try #require($0.estimate.loss))
    }
    var replica = trainer.replica(from: start)
    for step in result.steps {
      let before = replica.adapter
      replica.apply(step)
      for entry in start.layout.entries {
        let layer = "layers.\(Int(step.step) % layerCount)."
        let isNext = entry.name.contains(layer) && entry.name.contains("lora_B")
        let isMoved = replica.adapter.values[entry.range] != before.values[entry.range]
        #expect(isMoved == isNext, "\(entry.name)")
      }
    }
    #expect(replica.adapter == result.adapter)
    let (first, last) = (losses[..<5].reduce(0, +), losses.suffix(5).reduce(0, +))
    #expect(last < 0.9 * first)
    settings.blockCount = layerCount + 1
    #expect(throws: TrainingError.self) { try self.trainer(settings) }
  }

  @Test func aSubspaceIsLeftForTheNextOne() throws {
    var settings = settings(steps: 60, queries: 8, rate: 8e-3)
    settings.subspace = .init(rank: 1, stepCount: 20)
    let trainer = try trainer(settings)
    let start = model().initialAdapter()
    var losses: [Double] = []
    let result = try trainer.train(from: start, version: 0) {
      losses.append(try #require($0.estimate.loss))
    }
    var (replica, together) = (trainer.replica(from: start), trainer.replica(from: start))
    together.apply(contentsOf: result.steps)
    for step in result.steps {
      let before = replica.adapter.values
      replica.apply(step)
      for entry in start.layout.entries where entry.name.contains("lora_B") {
        let moved = entry.range.filter { replica.adapter.values[$0] != before[$0] }
        let column = Int(step.step) / 20 % 2
        #expect(moved == entry.range.filter { ($0 - entry.offset) % 2 == column })
      }
    }
    #expect(replica.adapter == result.adapter && together.adapter == result.adapter)
    let (first, last) = (losses[..<5].reduce(0, +), losses.suffix(5).reduce(0, +))
    #expect(last < 0.9 * first)
    settings.subspace?.rank = 1000
    #expect(throws: TrainingError.self) { try self.trainer(settings) }
  }

  @Test func aPoolHasLimits() throws {
    func refused(_ settings: ZerothOrderTraining) -> Bool {
      do {
        try settings.check(totalVersions: 1)
        return false
      } catch TrainingError.badSetting(let name, _, _) {
        return name == "source"
      } catch {
        return false
      }
    }
    let usual = settings(queries: 3)
    for (source, isRefused) in [
      (DirectionSource.pool(count: 3), false), (.pool(count: 2), true), (.pool(count: 0), true),
      (.pool(count: 1 << 20), false), (.pool(count: 1 << 20 + 1), true), (.shared, false),
    ] {
      var settings = usual
      settings.source = source
      #expect(refused(settings) == isRefused, "\(source)")
    }
    for rule in [UpdateRule.momentum(beta: 0.9), .adam()] {
      var settings = settings(rule: rule)
      settings.source = .pool(count: 9)
      #expect(refused(settings))
      settings.source = .shared
      #expect(!refused(settings))
    }
    var together = settings(steps: 1)
    (together.parallelism, together.source) = (.both, .shared)
    #expect(refused(together))
  }

  @Test func neitherThreadsNorAdaptersAtOnceChangeABit() throws {
    let start = model().initialAdapter()
    let expected = try trainer(settings()).train(from: start, version: 0)
    for (threads, adapters) in [(1, 1), (1, 5), (2, 1), (3, 2), (7, 16)] {
      let found = try trainer(settings(), threads: threads, adapters: adapters)
        .train(from: start, version: 0)
      #expect(found.steps == expected.steps && found.adapter == expected.adapter)
    }
  }

  @Test func lossesFallOnlyAgainstTheGradient() throws {
    // 60 steps of 8 queries: a walk without the projected gradient would not get there.
    let settings = settings(steps: 60, queries: 8, rate: 4e-3)
    let start = model().initialAdapter()
    var losses: [Double] = []
    _ = try trainer(settings).train(from: start, version: 0) {
      losses.append(try #require($0.estimate.loss))
    }
    let (first, last) = (losses[..<5].reduce(0, +) / 5, losses.suffix(5).reduce(0, +) / 5)
    #expect(last < 0.9 * first)
  }

  @Test func keysAndStepsOfZeroAndTheLargestWork() throws {
    let start = model().initialAdapter()
    var seen: Set<[Float]> = []
    for key in [0, 1, UInt64.max] {
      let result = try trainer(settings(steps: 1), key: key).train(from: start, version: 0)
      #expect(result.steps[0].step == 0 && result.steps[0].terms.count == 3)
      #expect(result.adapter != start)
      seen.insert(result.adapter.values)
    }
    #expect(seen.count == 3)
    let last = Directions(key: .max)
    var replica = ZerothOrderReplica(adapter: start, directions: last)
    replica.apply(
      DirectionStep(step: .max, terms: [DirectionTerm(query: .max, coefficient: 1)]))
    #expect(replica.adapter == start.adding(last.direction(step: .max, query: .max), times: 1))
  }

  @Test func factorsThatAreNotPerturbedStay() throws {
    let model = model(.both)
    let start = model.initialAdapter()
    func changed(_ factors: LoRAConfiguration.Factors) throws -> Set<String> {
      var settings = settings()
      settings.factors = factors
      let result = try trainer(settings, model).train(from: start, version: 0)
      return Set(
        model.layout.entries.filter {
          result.adapter.values[$0.range] != start.values[$0.range]
        }.map { String($0.name.suffix(13)) })
    }
    #expect(try changed(.b) == ["lora_B.weight"])
    #expect(try changed(.both) == ["lora_A.weight", "lora_B.weight"])
  }

  @Test func queriesWithoutFiniteLossesAreCountedAndChangeNothing() throws {
    var settings = settings(steps: 2, queries: 3)
    settings.estimator = GradientEstimator(.twoSided, perturbation: 1e38)
    let start = model().initialAdapter()
    var reports: [ZerothOrderReport] = []
    let result = try trainer(settings).train(from: start, version: 0) { reports.append($0) }
    #expect(result.droppedCount == 6 && result.loss == nil)
    #expect(result.adapter == start && result.steps.allSatisfy { $0.terms.isEmpty })
    #expect(reports.allSatisfy { $0.estimate.droppedCount == 3 && $0.estimate.loss == nil })
  }

  @Test func aConservativeStepNeverRaisesTheLossOfItsBatch() throws {
    var settings = settings(steps: 20, queries: 1, rate: 3e-2)
    settings.isConservative = true
    let model = model()
    var taken: [DirectionStep] = []
    let start = model.initialAdapter()
    let trainer = try trainer(settings)
    _ = try trainer.train(from: start, version: 0) { taken.append($0.taken) }
    var (replica, workspace) = (trainer.replica(from: start), model.makeWorkspace())
    // The two examples are the batch of every step.
    let batch = TokenBatch(tiny.goldenExamples().examples)
    var loss = model.loss(of: batch, adapter: start, in: &workspace)
    for step in taken {
      replica.apply(step)
      let next = model.loss(of: batch, adapter: replica.adapter, in: &workspace)
      #expect(step.terms.isEmpty ? next == loss : next < loss + 1e-6)
      loss = next
    }
    #expect(taken.contains { $0.terms.isEmpty } && taken.contains { !$0.terms.isEmpty })
  }

  @Test func clippedScalarsAreCountedAndGoOnFromVersionToVersion() throws {
    let settings = settings(steps: 4, queries: 8)
    let start = model().initialAdapter()
    let trainer = try trainer(settings, versions: 2)
    let first = try trainer.train(from: start, version: 0)
    let limit = try #require(first.clip.limit)
    let second = try trainer.train(from: first.adapter, version: 1, clip: first.clip)
    let anew = try trainer.train(from: first.adapter, version: 1)
    #expect(limit > 0 && first.clip != second.clip)
    #expect(second.clip != anew.clip)
    var free = settings
    free.clips = false
    let unclipped = try self.trainer(free, versions: 2).train(from: start, version: 0)
    #expect(unclipped.clippedCount == 0 && unclipped.clip == ScalarClip())
    #expect((first.clippedCount > 0) == (unclipped.steps != first.steps))
  }

  @Test func tokensOfAllCopiesAreCounted() throws {
    let start = model().initialAdapter()
    let tokens = tiny.goldenExamples().examples.reduce(0) { $0 + $1.tokens.count - 1 }
    for (kind, copies) in [
      (GradientEstimator.Kind.twoSided, 6), (.oneSided, 4), (.curvatureWeighted, 7),
    ] {
      let result = try trainer(settings(steps: 2, kind)).train(from: start, version: 0)
      #expect(result.tokenCount == 2 * copies * tokens && result.exampleCount == 2)
    }
  }

  @Test func whatProgressThrowsEndsTheTraining() throws {
    struct Enough: Error {}
    let trainer = try trainer(settings())
    #expect(throws: Enough.self) {
      try trainer.train(from: model().initialAdapter(), version: 0) { _ in throw Enough() }
    }
  }

  @Test func settingsThatCannotWorkAreRefused() {
    func refused(_ name: String, _ change: (inout ZerothOrderTraining) -> Void) -> Bool {
      var settings = ZerothOrderTraining()
      change(&settings)
      do {
        try settings.check(totalVersions: 7)
        return false
      } catch .badSetting(let found, _, _) {
        return found == name
      } catch {
        return false
      }
    }
    #expect(refused("localSteps") { $0.localSteps = 0 })
    #expect(refused("batchSize") { $0.batchSize = 0 })
    #expect(refused("queryCount") { $0.queryCount = 0 })
    #expect(
      refused("queryCount") {
        ($0.queryCount, $0.estimator) = (1, GradientEstimator(.oneSided, perturbation: 1))
      })
    #expect(refused("learningRate") { $0.learningRate = .nan })
    #expect(refused("learningRate") { $0.learningRate = 1e300 })
    for perturbation in [0, -1, Float.nan, .infinity] {
      #expect(
        refused("perturbation") {
          $0.estimator = GradientEstimator(.twoSided, perturbation: perturbation)
        })
    }
    #expect(refused("maximumTokens") { $0.maximumTokens = 1 })
    #expect(refused("beta") { $0.rule = .momentum(beta: 1) })
    #expect(refused("beta2") { $0.rule = .adam(beta2: -0.1) })
    #expect(refused("epsilon") { $0.rule = .adam(epsilon: 0) })
    #expect(
      refused("isConservative") { ($0.isConservative, $0.rule) = (true, .momentum(beta: 0)) })
    #expect(throws: Never.self) { try ZerothOrderTraining().check(totalVersions: 7) }
  }
}
