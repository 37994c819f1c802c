// SPDX-License-Identifier: Apache-2.0
import Digests
import Messages
import Rounds
import Runs
import Tensors
import Testing
import Training
import Updates

@testable import Federation

@Suite struct StepCoordinatorTests {
  @Test func theCommitOfAStepAndTheNextTaskAreOneMessage() throws {
    var desk = try StepDesk()
    try desk.join("ann")
    #expect(desk.tasks.isEmpty)
    try desk.join("bo")
    #expect(desk.tasks.map(\.queries) == [0..<2, 2..<4])
    #expect(desk.tasks.allSatisfy { $0.commits.isEmpty && $0.history == nil })
    try desk.answer("bo", desk.report("bo"))
    #expect(desk.tasks.isEmpty)
    try desk.answer("ann", desk.report("ann"))
    #expect(desk.coordinator.version == 1 && desk.tasks.count == 2)
    #expect(desk.tasks.allSatisfy { $0.commits.count == 1 && $0.history == nil && $0.step == 1 })
    let commit = try DirectionCommit(record: desk.tasks[0].commits[0])
    // (l+ - l-) / 2e, times the rate over four queries, against the gradient.
    let slopes = [(1 - 0.5), (3 - 0.25), (1 - 0.5), (2 - 0.25)].map { $0 / 0.02 }
    let expected = slopes.map { Float(-0.01 * $0 / 4) }
    #expect(zip(commit.step.terms, expected).allSatisfy { abs($0.coefficient - $1) <= 1e-6 })
    #expect(commit.step.terms.map(\.query) == [0, 1, 2, 3] && desk.isInStep)
  }

  @Test func lossesThatAreNotFiniteAreLeftOutAndNeverTakenForZero() throws {
    var desk = try StepDesk()
    try desk.join("ann")
    try desk.join("bo")
    try desk.answer("ann", desk.report("ann", losses: [.nan, 1, 2, 1]))
    try desk.answer("bo", desk.report("bo", losses: [1, .infinity, 1, 1]))
    let commit = try DirectionCommit(record: desk.tasks[0].commits[0])
    #expect(commit.step.terms.map(\.query) == [1, 3])
    #expect(commit.step.terms[1].coefficient == 0 && commit.step.terms[0].coefficient != 0)
    for name in ["ann", "bo"] {
      try desk.answer(name, desk.report(name, losses: [.nan, .nan, .nan, .nan]))
    }
    #expect(desk.coordinator.version == 2 && desk.isInStep)
    #expect(try DirectionCommit(record: desk.tasks[0].commits[0]).step.terms.isEmpty)
  }

  @Test func anAnswerThatIsNotWhatWasAskedForIsRefusedWithTheReasonAndHarmsNobody() throws {
    let faults: [(String, (LossReport) -> LossReport)] = [
      ("step 1: unknownRound", { $0.with(step: $0.step + 1) }),
      ("evaluated at version 7 instead of 0", { $0.with(version: 7) }),
      ("of queries from 3, which it was not given", { $0.with(firstQuery: 3) }),
      ("3 losses where 2 queries have 4", { $0.with(losses: [1, 2, 3]) }),
      ("the adapter's digest is missing", { $0.with(state: .some(nil)) }),
      ("is not the run's", { $0.with(state: Digest(of: [9])) }),
    ]
    for (reason, spoil) in faults {
      var desk = try StepDesk()
      try desk.join("ann")
      try desk.join("bo")
      try desk.answer("ann", spoil(desk.report("ann")))
      #expect(desk.refusals.contains { $0.contains(reason) }, "\(reason): \(desk.refusals)")
      #expect(desk.coordinator.version == 0)
      try desk.answer("bo", desk.report("bo"))
      if reason.contains("unknownRound") { try desk.answer("ann", desk.report("ann")) }
      #expect(desk.coordinator.version == 1, "\(reason)")
      #expect(desk.coordinator.tally.refusedCount == 1)
    }
  }

  @Test func theSameAnswerTwiceCountsOnce() throws {
    var desk = try StepDesk()
    try desk.join("ann")
    try desk.join("bo")
    let report = try desk.report("ann")
    try desk.answer("ann", report)
    try desk.answer("ann", report)
    #expect(desk.refusals == ["losses of step 0: duplicate"] && desk.closedCount == 0)
    try desk.answer("bo", desk.report("bo"))
    #expect(try DirectionCommit(record: desk.tasks[0].commits[0]).step.terms.count == 4)
    // And one that comes after the step.
    try desk.answer("ann", report)
    #expect(desk.refusals == ["losses of step 0: late"])
    for _ in 0..<20 { try desk.answer("ann", report) }
    #expect(desk.closedCount == 1)
  }

  @Test func aReplicaThatDivergedIsFoundOutAndSentAState() throws {
    var desk = try StepDesk()
    try desk.join("ann")
    try desk.join("bo")
    try desk.run(steps: 10)
    desk.workers[worker("ann")]?.tamper()
    #expect(!desk.isInStep)
    try desk.run(steps: 40)
    #expect(desk.coordinator.version == 50)
    try desk.answer("ann", desk.report("ann"))
    #expect(desk.refusals.contains { $0.contains("at version 50 is not the run's") })
    try desk.answer("bo", desk.report("bo"))
    #expect(desk.tasks.map { $0.history?.baseVersion == nil } == [true, true])
    #expect(desk.tasks.map { $0.history == nil } == [false, true])
    #expect(desk.isInStep)
    try desk.run(steps: 60)
    #expect(desk.coordinator.version == 111 && desk.isInStep)
  }

  @Test(arguments: [UpdateRule.sgd, .momentum(beta: 0.9), .adam()])
  func whoComesLateOrComesBackHasTheSameBits(rule: UpdateRule) throws {
    var desk = try StepDesk(workers: 1, rule: rule)
    try desk.join("ann")
    try desk.run(steps: 30)
    // Few commits: they are cheaper than a state.
    try desk.join("bo")
    try desk.run()
    let tail = try #require(desk.lastTasks[worker("bo")]?.history)
    #expect(tail.baseVersion == 0 && desk.isInStep)
    let held = try #require(desk.workers[worker("bo")]?.held?.version)
    try desk.leave("bo")
    try desk.run(steps: 5)
    try desk.join("bo", isSame: true)
    try desk.run()
    #expect(desk.lastTasks[worker("bo")]?.history?.baseVersion == held && desk.isInStep)
    // Many commits: a state is.
    try desk.run(steps: 340)
    try desk.join("cy")
    try desk.run()
    let state = try #require(desk.lastTasks[worker("cy")]?.history)
    #expect(state.baseVersion == nil && desk.isInStep)
    try desk.run(steps: 10)
    #expect(desk.isInStep)
  }

  /// After 25 steps there are commits alone, after 600 a snapshot and some.
  @Test(arguments: [25, 600]) func aCoordinatorGoesOnFromItsLogWithTheSameBits(
    stepCount: Int
  ) throws {
    var desk = try StepDesk(versions: 1000, workers: 2, rule: .adam())
    try desk.join("ann")
    try desk.join("bo")
    try desk.run(steps: stepCount)
    let snapshot = try desk.coordinator.log.lastStepSnapshot()
    #expect((snapshot != nil) == (stepCount == 600))
    let again = try StepCoordinator(
      plan: desk.plan, identity: desk.coordinator.identity, log: desk.coordinator.log,
      initialAdapter: ParameterVector(zerosOf: StepDesk.layout), evaluateEvery: -1,
      now: RunTime(nanoseconds: 0))
    #expect(again.version == stepCount && again.adapter == desk.coordinator.adapter)
    #expect(again.state.clip == desk.coordinator.state.clip)
    desk.coordinator = again
    desk.connections = [:]
    try desk.join("ann", isSame: true)
    try desk.run(steps: 5)
    #expect(desk.coordinator.version == stepCount + 5 && desk.isInStep)
  }

  @Test func aRunThatWasEndedIsOverForTheNextCoordinatorToo() throws {
    var desk = try StepDesk(workers: 2)
    try desk.join("ann")
    try desk.join("bo")
    try desk.run(steps: 3)
    try desk.take(.stopped(reason: "enough"))
    var again = try StepCoordinator(
      plan: desk.plan, identity: desk.coordinator.identity, log: desk.coordinator.log,
      initialAdapter: ParameterVector(zerosOf: StepDesk.layout), evaluateEvery: -1,
      now: RunTime(nanoseconds: 0))
    let ends = try again.start(at: RunTime(nanoseconds: 1)).compactMap { output in
      if case .finish(let outcome) = output { outcome } else { nil }
    }
    #expect(ends.count == 1 && ends.first?.version == 3)
    #expect(ends.first?.failure?.contains("enough") == true)
  }

  @Test func twentyThousandStepsOfSixteenQueriesAreUnderFourMegabytes() throws {
    let chain = CommitChain(version: 19_999, digest: Digest(of: []))
    let step = DirectionStep(
      step: 20_000, terms: (0..<16).map { DirectionTerm(query: $0, coefficient: 1) })
    let record = DirectionCommit(version: 20_000, previous: chain.link, step: step).record
    let compared = 400 * Digest.byteCount
    #expect(20_000 * record.count + compared < 2_500_000)
  }
}

extension LossReport {
  fileprivate func with(
    step: Int? = nil, version: Int? = nil, firstQuery: Int? = nil, losses: [Double]? = nil,
    state: Digest?? = nil
  ) -> LossReport {
    LossReport(
      step: step ?? self.step, baseVersion: version ?? baseVersion,
      firstQuery: firstQuery ?? self.firstQuery, losses: losses ?? self.losses,
      exampleCount: exampleCount, tokenCount: tokenCount, state: state ?? self.state)
  }
}
