// SPDX-License-Identifier: Apache-2.0
import Digests
import Randomness
import Rounds
import Testing

/// Random events in any order, sensible or not: nothing but the engine itself holds it together.
@Suite struct StepEngineStormTests {
  @Test(arguments: 1...6) func invariantsHoldAndAReplayIsTheSame(block: Int) throws {
    for seed in (block * 50)..<(block * 50 + 50) { try blow(seed: UInt64(seed)) }
  }

  private func blow(seed: UInt64) throws {
    var random = RandomStream(Seed(seed))
    let workers = 1 + random.integer(below: 4)
    // Drawn apart, so that the other storms are what they were.
    var signs = RandomStream(Seed(seed).derived("signs"))
    let splitsSigns = signs.integer(below: 3) == 0
    let data: [Digest?] = ["a", "b", "c", "d", "e"].map { _ in
      splitsSigns && signs.integer(below: 4) > 0
        ? Digest(of: [UInt8(signs.integer(below: 2))]) : nil
    }
    var rules = StepRules(
      rounds: RoundRules(
        versionCount: 1 + random.integer(below: 20), cohortSize: workers,
        quorum: 1 + random.integer(below: workers), minimumWorkers: workers,
        deadline: .seconds(5), maximumFailedRounds: 1 + random.integer(below: 4),
        retryDelay: .seconds(random.integer(below: 3))),
      queryCount: 2 + random.integer(below: 5), leastQueryCount: 1 + random.integer(below: 2),
      groupSize: 1 + random.integer(below: 3))
    if splitsSigns { (rules.splitsSigns, rules.groupSize) = (true, 2) }
    let start = try StepEngine(rules: rules, at: seconds(0))
    var (live, journal, log) = (start, [(StepEngine.Event, RunTime)](), [StepEngine.Effect]())
    var (time, committed) = (0.0, Set<Int>())
    for place in 0..<150 {
      let event = randomEvent(live, data, &random)
      time += random.integer(below: 3) == 0 ? 1 : 0.25
      let now = seconds(random.integer(below: 20) == 0 ? time - 3 : time)
      let (version, counts, tasks) = (live.version, openQueries(live), openSigns(live))
      let effects = live.handle(event, at: now)
      journal.append((event, now))
      log += effects
      #expect(live.invariants == [], "seed \(seed), event \(place): \(event)")
      #expect(live.version - version == (isCommit(event, of: version) ? live.version - version : 0))
      for case .commit(let step, let answered) in effects {
        #expect(committed.insert(step).inserted, "seed \(seed): step \(step) committed twice")
        #expect(answered == answered.sorted() && answered.count >= rules.rounds.quorum)
        #expect(answered.allSatisfy { counts[$0] != nil }, "seed \(seed): an answer to nothing")
        let whole = answered.filter { worker in
          tasks[worker] == .both
            || answered.contains { $0 != worker && counts[$0] == counts[worker] }
        }
        #expect(whole.count >= rules.rounds.quorum, "seed \(seed): halves are counted")
      }
    }
    var replayed = start
    #expect(journal.flatMap { replayed.handle($0.0, at: $0.1) } == log)
    #expect(replayed == live, "seed \(seed): the fold of the events differs")
  }

  private func openQueries(_ engine: StepEngine) -> [WorkerID: Range<Int>] {
    ["a", "b", "c", "d", "e"].map(worker).reduce(into: [:]) {
      $0[$1] = engine.queries(of: $1, in: engine.nextStep - 1)
    }
  }

  private func openSigns(_ engine: StepEngine) -> [WorkerID: Signs] {
    ["a", "b", "c", "d", "e"].map(worker).reduce(into: [:]) {
      $0[$1] = engine.signs(of: $1, in: engine.nextStep - 1)
    }
  }

  private func isCommit(_ event: StepEngine.Event, of version: Int) -> Bool {
    if case .committed(_, version + 1) = event { true } else { false }
  }

  private func randomEvent(
    _ engine: StepEngine, _ data: [Digest?], _ random: inout RandomStream
  ) -> StepEngine.Event {
    let number = random.integer(below: 5)
    let someone = worker(["a", "b", "c", "d", "e"][number])
    let step = engine.nextStep - (random.integer(below: 4) == 0 ? random.integer(below: 3) : 1)
    return switch random.integer(below: 20) {
    case 0...3: .joined(someone, data: data[number])
    case 4: .left(someone)
    case 5: .failed(someone, step: step, reason: "because")
    case 6: .woke
    case 7 where random.integer(below: 20) == 0: .stopped(reason: "enough")
    case 8: .commitFailed(step: step, reason: "no")
    case 9...12: .committed(step: step, version: engine.version + 1)
    default: .answered(someone, step: step)
    }
  }
}
