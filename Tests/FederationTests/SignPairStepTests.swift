// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Digests
import Messages
import Models
import Randomness
import Rounds
import Tensors
import Testing
import Training
import Updates

@testable import Federation

/// Runs by steps of which two workers with the same data evaluate one sign each.
@Suite struct SignPairStepTests {
  private let data = Digest(of: [7])

  private func pair(versions: Int = 400) throws -> StepDesk {
    var desk = try StepDesk(versions: versions, workers: 2, parallelism: .signs)
    try desk.join("ann", data: data)
    try desk.join("bo", data: data)
    return desk
  }

  @Test func theHalvesOfAPairAreOneEstimate() throws {
    var desk = try pair()
    #expect(desk.tasks.map(\.queries) == [0..<2, 0..<2])
    #expect(desk.tasks.map(\.signs) == [.plus, .minus])
    try desk.answer("bo", desk.report("bo", losses: [0.5, 0.25]))
    try desk.answer("ann", desk.report("ann", losses: [1, 3]))
    var alone = try StepDesk(workers: 1)
    try alone.join("ann")
    try alone.answer("ann", alone.report("ann", losses: [1, 0.5, 3, 0.25]))
    let steps = try [desk, alone].map { try DirectionCommit(record: $0.tasks[0].commits[0]).step }
    #expect(steps[0] == steps[1] && steps[0].terms.map(\.query) == [0, 1])
    #expect(desk.coordinator.adapter == alone.coordinator.adapter && desk.isInStep)
  }

  @Test func anAnswerWithoutItsOtherHalfIsLeftOutAndCounted() throws {
    var desk = try StepDesk(workers: 3, parallelism: .signs)
    for name in ["ann", "bo"] { try desk.join(name, data: data) }
    try desk.join("cy", data: Digest(of: [8]))
    try desk.answer("ann", desk.report("ann", losses: [1, 3]))
    try desk.answer("cy", desk.report("cy"))
    #expect(desk.coordinator.version == 0)
    try desk.leave("bo")
    #expect(desk.coordinator.version == 1)
    let commit = try DirectionCommit(record: desk.tasks[0].commits[0])
    #expect(commit.step.terms.map(\.query) == [2, 3])
    #expect(desk.tasks.map(\.signs) == [.both, .both])
    let told = desk.coordinator.tally.report(
      version: 1, learningRate: 1, connectedCount: 2, splitsSigns: true,
      at: RunTime(nanoseconds: 0))
    #expect(told.droppedCount == 2 && told.queryCount == 2 && told.pairCount == 0)
  }

  @Test func theEstimatorJoinsWhatBelongsTogetherInTheOrderOfAnswers() {
    func answer(_ first: Int, _ signs: Signs, _ losses: [Double], examples: Int = 4)
      -> StepCoordinator.Answer
    {
      StepCoordinator.Answer(
        report: LossReport(
          step: 0, baseVersion: 0, firstQuery: first, losses: losses, exampleCount: examples,
          tokenCount: 1), signs: signs)
    }
    let estimator = GradientEstimator(.twoSided, perturbation: 0.5)
    let joined = estimator.joined([
      answer(2, .minus, [1, 2]), answer(0, .both, [7, 8, 5, 6]), answer(4, .plus, [9]),
      answer(2, .plus, [3, 4], examples: 3),
    ])
    #expect(joined.map { $0.losses.queries.map(\.query) } == [[2, 3], [0, 1], [4]])
    #expect(joined[0].losses.queries.map(\.along) == [3, 4])
    #expect(joined[0].losses.queries.map(\.against) == [1, 2])
    #expect(joined[1].losses.queries.map(\.along) == [7, 5])
    #expect(joined.map(\.weight) == [3, 4, 4])
    // A loss that is missing is no number, and not zero.
    #expect(joined[2].losses.queries[0].along == 9)
    #expect(joined[2].losses.queries[0].against?.isNaN == true)
    let estimate = estimator.estimate(joined)
    #expect(estimate.scalars.map(\.query) == [2, 3, 0, 1] && estimate.droppedCount == 1)
  }

  @Test func moreOrFewerLossesThanTheSignHasAreRefused() throws {
    for losses in [[1, 2, 3, 4], [1], [1, 2, 3]] as [[Double]] {
      var desk = try pair()
      try desk.answer("ann", desk.report("ann", losses: losses))
      #expect(
        desk.refusals == [
          "losses of step 0: \(losses.count) losses where 2 queries with one sign have 2"
        ])
      #expect(desk.closedCount == 1 && desk.coordinator.tally.refusedCount == 1)
      #expect(desk.coordinator.version == 0)
    }
  }

  @Test func aTaskOfOneSignInAnotherRunIsRefusedByTheWorker() throws {
    var desk = try StepDesk(workers: 1)
    try desk.join("ann")
    let task = StepTask(
      step: 0, baseVersion: 0, queries: 0..<2, signs: .plus, remaining: .seconds(1))
    #expect(throws: FederationError.self) { try desk.workers[worker("ann")]?.assigned(task) }
  }

  /// A coordinator that was killed gives a step's number out again, with other signs.
  @Test func lossesOfATaskThatIsNotAskedForAnyMoreAreNotSent() throws {
    var ann = try StepWorker(
      plan: try StepDesk(parallelism: .signs).plan,
      initialAdapter: ParameterVector(zerosOf: StepDesk.layout))
    func task(_ signs: Signs) -> StepTask {
      StepTask(step: 3, baseVersion: 0, queries: 0..<2, signs: signs, remaining: .seconds(1))
    }
    guard case .evaluate(let before)? = try ann.assigned(task(.plus)).first else {
      Issue.record("nothing to evaluate")
      return
    }
    ann.reconnected()
    guard case .evaluate(let after)? = try ann.assigned(task(.minus)).first else {
      Issue.record("nothing to evaluate")
      return
    }
    #expect(ann.evaluated([1, 2], of: before, exampleCount: 1, tokenCount: 1) == [])
    #expect(ann.evaluated([1, 2], of: after, exampleCount: 1, tokenCount: 1).count == 1)
  }

  /// Two workers with the same file, of whom each evaluates one sign, end with the bits of one worker
  /// that evaluates both.
  @Test func aPairLearnsWhatOneWorkerDoes() throws {
    let folder = #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
    let model = AdaptedModel(
      base: try DecoderModel(Checkpoint(path: folder + "/Fixtures/models/llama-gqa-tied")),
      lora: LoRAConfiguration(rank: 2, alpha: 4, factors: .b, seed: 1))
    var random = RandomStream(Seed(1))
    let examples = ExampleSet(
      (0..<30).map { _ in
        Example(tokens: (0..<9).map { _ in Int32(random.integer(below: 60)) }, promptCount: 4)
      })
    func run(_ names: [String], _ parallelism: ZerothOrderTraining.Parallelism) throws -> StepDesk {
      var desk = try StepDesk(
        versions: 13, workers: names.count, parallelism: parallelism,
        initialAdapter: model.initialAdapter())
      let split = try StepDesk(versions: 13, workers: 2, parallelism: .signs).plan
      let settings = try #require(desk.plan.training.sharedSteps)
      for name in names { try desk.join(name, data: data) }
      for _ in 0..<12 {
        for name in names {
          let job = try #require(desk.jobs[worker(name)])
          let evaluator = try StepEvaluator(
            model: model, examples: examples, settings: settings,
            seed: split.seedOfOrder(of: worker(name), data: data),
            directions: desk.plan.stepDirections(settings.distribution))
          let losses = evaluator.losses(
            of: evaluator.batch(ofStep: job.step), at: job.adapter, step: UInt32(job.step),
            queries: job.queries.map { UInt32($0) }, on: job.signs.sides,
            with: evaluator.makeComputer())
          try desk.answer(name, desk.report(name, losses: losses))
        }
      }
      #expect(desk.coordinator.version == 12 && desk.isInStep)
      return desk
    }
    let (two, one) = (try run(["ann", "bo"], .signs), try run(["cy"], .perturbations))
    #expect(two.coordinator.adapter == one.coordinator.adapter)
    #expect(two.coordinator.adapter != model.initialAdapter())
  }

  @Test func theOrderOfExamplesComesFromTheDataWhereSignsAreSplit() throws {
    let (split, other) = (try StepDesk(parallelism: .signs).plan, try StepDesk().plan)
    let (ann, bo) = (worker("ann"), worker("bo"))
    #expect(split.seedOfOrder(of: ann, data: data) == split.seedOfOrder(of: bo, data: data))
    #expect(
      split.seedOfOrder(of: ann, data: data)
        != split.seedOfOrder(of: ann, data: Digest(of: [8])))
    #expect(split.seedOfOrder(of: ann, data: nil) == split.seed(of: ann))
    #expect(other.seedOfOrder(of: ann, data: data) == other.seed(of: ann))
  }
}
