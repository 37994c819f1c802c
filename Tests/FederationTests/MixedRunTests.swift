// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Randomness
import Rounds
import Tensors
import Testing
import Training
import Updates

@testable import Federation

/// Real learning in mixed runs: a tiny model, two workers by gradients and two by losses alone.
@Suite struct MixedRunTests {
  private static let byGradients = ["ann", "bob"]
  private static let byLosses = ["cleo", "dan"]
  private let base: DecoderModel

  init() throws {
    let folder = #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
    base = try DecoderModel(Checkpoint(path: folder + "/Fixtures/models/llama-gqa-tied"))
  }

  /// Examples of a made-up language: a word of a topic between others, then the topic's name.
  ///
  /// - Parameter shares: how often each topic comes, in proportion.
  private func examples(_ count: Int, shares: [Int], seed: Seed) -> ExampleSet {
    var stream = RandomStream(seed)
    let topics = shares.enumerated().flatMap { Array(repeating: Int32($0), count: $1) }
    return ExampleSet(
      (0..<count).map { _ in
        let topic = topics[stream.integer(below: topics.count)]
        let word = 40 + 4 * topic + Int32(stream.integer(below: 4))
        let fill = (0..<2).map { _ in Int32(100 + stream.integer(below: 20)) }
        return Example(tokens: [fill[0], word, fill[1], 30 + topic], promptCount: 3)
      })
  }

  /// What `names` learn together from data of their own, as the loss on held-out examples.
  private func heldOutLoss(_ names: [String], seed: UInt64) throws -> Double {
    var plan = testPlan(versions: 6, workers: names.count, quorum: names.count)
    plan.seed = seed
    let lora = LoRAConfiguration(rank: 4, alpha: 8, factors: .b, seed: seed)
    plan.adapter = .lora(lora)
    let gradient = GradientTraining(localSteps: 4, batchSize: 8, learningRate: 5e-3)
    let zerothOrder = ZerothOrderTraining(
      localSteps: 8, batchSize: 8, queryCount: 8, learningRate: 1e-2)
    plan.training = .mixed(gradient: gradient, zerothOrder: zerothOrder)
    plan.updates = UpdatePlan(
      up: .ternary(density: 0.1), opening: .dense, openingVersionCount: 0, down: .dense,
      server: .sgd(), steps: .up)
    let model = AdaptedModel(base: base, lora: lora)
    // Each has some topics oftener than others.
    let shares = [
      "ann": [5, 3, 1, 1, 1, 1], "bob": [1, 5, 3, 1, 1, 1], "cleo": [1, 1, 1, 5, 3, 1],
      "dan": [1, 1, 1, 1, 3, 5],
    ]
    let learners = try Dictionary(
      uniqueKeysWithValues: names.map { name -> (String, any Learner) in
        let id = try #require(WorkerID(rawValue: name))
        let data = examples(
          48, shares: shares[name] ?? [], seed: Seed(seed).derived("data of \(name)"))
        if Self.byGradients.contains(name) {
          return (
            name,
            try GradientTrainer(
              model: model, examples: data, settings: gradient,
              totalVersions: plan.rounds.versionCount, seed: plan.seed(of: id))
          )
        }
        return (
          name,
          ZerothOrderLearner(
            try ZerothOrderTrainer(
              model: model, examples: data, settings: zerothOrder,
              totalVersions: plan.rounds.versionCount, seed: plan.seed(of: id),
              directions: plan.directions(of: id, from: .own, drawnFrom: .rademacher)))
        )
      })
    return try withTemporaryFolder { folder in
      var fleet = try LockstepFleet(
        plan: plan, workers: names, folder: folder, layout: model.layout,
        start: model.initialAdapter(),
        learn: { worker, job in
          let learner = try #require(learners[worker.rawValue])
          return try learner.train(from: job.start, version: job.version) { _ in }
        })
      try fleet.run()
      #expect(fleet.outcome?.failure == nil && fleet.outcome?.version == plan.rounds.versionCount)
      let heldOut = examples(
        96, shares: [1, 1, 1, 1, 1, 1], seed: Seed(seed).derived("held out"))
      let adapter = try #require(fleet.coordinator?.adapter)
      return try Evaluator(model: model, examples: heldOut).evaluate(adapter).loss
    }
  }

  /// One mean over all four would fail here: it ended at 8.13 with seed 2, gradients alone at 8.05.
  @Test(arguments: [UInt64(1), 2, 3])
  func bothKindsTogetherEndBetterThanEitherAlone(seed: UInt64) throws {
    let both = try heldOutLoss(Self.byGradients + Self.byLosses, seed: seed)
    let gradients = try heldOutLoss(Self.byGradients, seed: seed)
    let losses = try heldOutLoss(Self.byLosses, seed: seed)
    #expect(both < gradients && both < losses, "\(both), \(gradients) alone, \(losses) alone")
  }
}
