// SPDX-License-Identifier: Apache-2.0
import Federation
import Testing
import Training
import Updates

@testable import RunFiles

/// How steps along directions travel, and mixed runs, as run files say it.
@Suite struct DirectionsFileTests {
  private func read(_ lines: String...) throws(RunFileError) -> RunFile {
    try RunFile(
      yaml: (["run: topics", "model: base"] + lines).joined(separator: "\n"), path: "run.yaml",
      folder: "/somewhere")
  }

  private static let losses = "training: {method: zeroth-order}"
  private static let mixed =
    "training: {method: mixed, gradient: {local-steps: 2}, zeroth-order: {queries: 3}}"

  @Test(arguments: [
    ("", StepTravel.upAndDown), ("updates: {up: {codec: directions}}", .upAndDown),
    ("updates: {down: {codec: directions}}", .upAndDown),
    ("updates: {down: {codec: dense}}", .up), ("updates: {down: {codec: ternary}}", .up),
    ("updates: {server: {momentum: 0.9}}", .up), ("updates: {server: {optimizer: adam}}", .up),
    ("updates: {up: {codec: dense}}", .asChanges), ("updates: {up: {density: 0.2}}", .asChanges),
    ("updates: {up: {codec: ternary}, opening: {versions: 2}}", .asChanges),
  ])
  func stepsOfLossesTravelAsTheyAreUnlessTheFileSaysOtherwise(
    updates: String, travel: StepTravel
  ) throws {
    let plan = try read(Self.losses, updates).plan
    #expect(plan.updates.steps == travel)
    #expect(travel != .upAndDown || plan.updates.down == .dense)
    #expect(try RunPlan(canonicalBytes: plan.canonicalBytes()) == plan)
  }

  @Test(arguments: [
    ("", DirectionSource.own), ("directions: own", .own), ("directions: shared", .shared),
    ("directions: pool", .pool(count: 4096)),
    ("directions: pool, pool-size: 64, queries: 64", .pool(count: 64)),
    ("directions: pool, queries: 5000", .pool(count: 5000)),
    ("directions: shared, rule: adam", .shared),
  ])
  func directionsAreTheWorkersOwnUnlessTheFileSaysOtherwise(
    keys: String, source: DirectionSource
  ) throws {
    let separator = keys.isEmpty ? "" : ", "
    let plan = try read("training: {method: zeroth-order\(separator)\(keys)}").plan
    #expect(plan.training.zerothOrder?.source == source)
    try plan.training.check(totalVersions: 10)
    #expect(try RunPlan(canonicalBytes: plan.canonicalBytes()) == plan)
  }

  @Test func layersAreMovedInAsManyBlocksAsTheFileSays() throws {
    for (keys, count) in [("", 1), (", blocks: 6", 6), (", blocks: 2, parallel: both", 2)] {
      let plan = try read("training: {method: zeroth-order\(keys)}").plan
      #expect(plan.training.zerothOrder?.blockCount == count)
    }
  }

  @Test func ranksAreMovedAFewAtATimeIfTheFileSaysSo() throws {
    for (keys, subspace) in [
      ("", nil), (", subspace-rank: 2", ZerothOrderTraining.Subspace(rank: 2, stepCount: 50)),
      (", subspace-rank: 4, subspace-steps: 7, blocks: 2", .init(rank: 4, stepCount: 7)),
    ] {
      let plan = try read("training: {method: zeroth-order\(keys)}").plan
      #expect(plan.training.zerothOrder?.subspace == subspace)
      #expect(try RunPlan(canonicalBytes: plan.canonicalBytes()) == plan)
    }
  }

  @Test func workersThatTakeStepsTogetherDoSoAsTheFileSays() throws {
    for parallelism in ZerothOrderTraining.Parallelism.allCases {
      let plan = try read("training: {method: zeroth-order, parallel: \(parallelism.rawValue)}")
        .plan
      #expect(plan.training.sharedSteps?.parallelism == parallelism)
      try plan.training.check(totalVersions: 10)
      #expect(try RunPlan(canonicalBytes: plan.canonicalBytes()) == plan)
    }
  }

  @Test(arguments: [
    ("directions: other", ["directions", "own or shared or pool"]),
    ("directions: shared, pool-size: 9", ["pool-size", "none where 'directions' is not 'pool'"]),
    ("pool-size: 9", ["pool-size", "none where 'directions' is not 'pool'"]),
    ("directions: pool, pool-size: 3, queries: 4", ["pool-size", "4"]),
    ("directions: pool, pool-size: 2000000", ["pool-size", "1048576"]),
    ("directions: pool, rule: adam", ["directions", "own or shared with momentum and adam"]),
    ("directions: shared, parallel: data", ["directions", "'parallel', which says it"]),
    ("parallel: sign", ["parallel", "perturbations or data or both or signs"]),
    ("parallel: signs, estimator: one-sided", ["estimator", "two-sided with 'parallel: signs'"]),
    (
      "parallel: signs, estimator: curvature-weighted",
      ["'curvature-weighted'", "two-sided with 'parallel: signs'"]
    ),
    ("parallel: signs, conservative: true", ["conservative", "false with 'parallel'"]),
    ("parallel: signs, local-steps: 2", ["local-steps"]),
    ("directions: pool, weight-decay: 0.1", ["weight-decay"]),
    ("directions: pool, blocks: 2", ["blocks", "1 where 'directions' is 'pool'"]),
    ("blocks: 0", ["blocks", "from 1"]),
    ("subspace-rank: 0", ["subspace-rank", "from 1"]),
    ("subspace-steps: 9", ["subspace-steps", "none without 'subspace-rank'"]),
    ("directions: pool, subspace-rank: 1", ["subspace-rank", "'directions' is 'pool'"]),
    ("factors: both, subspace-rank: 1", ["subspace-rank", "'factors' is 'both'"]),
  ])
  func directionsThatCannotBeAreRefused(keys: String, words: [String]) {
    #expect {
      try read("training: {method: zeroth-order, \(keys)}")
    } throws: { error in
      words.allSatisfy("\(error)".contains)
    }
  }

  @Test func aRuleThatKeepsSomethingLeavesTheWayDownToChanges() throws {
    for rule in ["momentum", "adam"] {
      let plan = try read("training: {method: zeroth-order, rule: \(rule)}").plan
      #expect(plan.updates.steps == .up && plan.updates.down == .dense)
    }
    #expect(try read("updates: {}").plan.updates.steps == .asChanges)
  }

  @Test func aMixedRunHasTheSettingsOfBoth() throws {
    let plan = try read(Self.mixed, "updates: {up: {density: 0.2}, opening: {versions: 1}}").plan
    #expect(
      plan.training
        == .mixed(
          gradient: GradientTraining(localSteps: 2),
          zerothOrder: ZerothOrderTraining(queryCount: 3)))
    #expect(plan.updates.steps == .up && plan.updates.up == .ternary(density: 0.2))
    let bytes = try plan.canonicalBytes()
    #expect(try RunPlan(canonicalBytes: bytes) == plan)
    #expect(String(decoding: bytes, as: UTF8.self).contains(#""method":"mixed""#))
  }

  @Test func eachWorkerOfAMixedRunMayHaveItsMethod() throws {
    let workers = "workers: [{name: a, data: x, method: gradient}, "
    let file = try read(
      Self.mixed, workers + "{name: b, data: y, method: zeroth-order}, {name: c, data: z}]")
    #expect(file.workers.map(\.method) == [.gradient, .zerothOrder, nil])
  }

  @Test(arguments: [
    ("updates: {up: {codec: directions}}", "gradients have no directions"),
    ("updates: {down: {codec: directions}}", "where anybody learns by gradients"),
    ("updates: {opening: {codec: directions}}", "expected dense or ternary"),
    (mixed + "\nupdates: {up: {codec: directions}}", "the others send directions always"),
    (mixed + "\nupdates: {down: {codec: directions}}", "where anybody learns by gradients"),
    (
      losses + "\nupdates: {up: {codec: dense}, down: {codec: directions}}",
      "where up is not 'directions'"
    ),
    (
      losses + "\nupdates: {down: {codec: directions}, server: {momentum: 0.1}}",
      "where 'updates.server' is not sgd without momentum"
    ),
    (
      losses + "\nupdates: {down: {codec: directions}, server: {optimizer: yogi}}",
      "where 'updates.server' is not sgd without momentum"
    ),
    (
      "training: {method: zeroth-order, rule: adam}\nupdates: {down: {codec: directions}}",
      "where 'training.rule' is not sgd or sign"
    ),
    (
      "training: {method: zeroth-order, local-steps: 100000, queries: 1000}",
      "a worker's steps may take"
    ),
    (losses + "\nupdates: {up: {codec: directions, density: 0.1}}", "'updates.up.density'"),
    (losses + "\nupdates: {up: {codec: directions, memory: none}}", "'updates.up.memory'"),
    (losses + "\nupdates: {opening: {versions: 2}}", "of which nothing is left out"),
    (losses + "\nworkers: [{name: a, data: x, method: gradient}]", "is not 'mixed'"),
    (mixed + "\nworkers: [{name: a, data: x, method: both}]", "gradient or zeroth-order"),
    ("training: {method: mixed, queries: 3}", "unknown key 'training.queries'"),
    ("training: {method: mixed, gradient: {queries: 3}}", "'training.gradient.queries'"),
    (
      "training: {method: mixed, zeroth-order: {method: gradient}}",
      "'training.zeroth-order.method'"
    ),
  ])
  func whatMakesNoSenseIsRefusedInOneLine(lines: String, complaint: String) {
    do {
      let plan = try read(lines).plan
      Issue.record("\(plan.training) \(plan.updates)")
    } catch {
      #expect("\(error)".contains(complaint), "\(error)")
      #expect(!"\(error)".contains("\n"))
    }
  }
}
