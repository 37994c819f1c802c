// SPDX-License-Identifier: Apache-2.0
import Foundation
import Randomness
import Rounds
import Testing

/// Random events in any order, sensible or not: nothing but the engine itself holds it together.
@Suite struct RoundEngineStormTests {
  @Test(arguments: 1...6) func invariantsHoldAndAReplayIsTheSame(block: Int) throws {
    for seed in (block * 25)..<(block * 25 + 25) {
      var storm = Storm(seed: UInt64(seed))
      try storm.blow(eventCount: 120)
    }
  }
}

/// A storm of random events, and what must be true of the effects whatever the events.
private struct Storm {
  let seed: UInt64
  var random: RandomStream
  let names = ["a", "b", "c", "d", "e", "f"]
  var time = 0.0
  var connected: Set<WorkerID> = []
  var accepted: Set<Contribution> = []
  var aggregatedRounds: Set<Int> = []
  var isFinished = false

  init(seed: UInt64) {
    self.seed = seed
    random = RandomStream(Seed(seed))
  }

  mutating func blow(eventCount: Int) throws {
    let rules = randomRules()
    let start = try RoundEngine(rules: rules, seed: Seed(seed), at: seconds(0))
    var live = start
    var journal: [(RoundEngine.Event, RunTime)] = []
    var log: [RoundEngine.Effect] = []
    for place in 0..<eventCount {
      let event = randomEvent(live)
      let now = randomTime()
      let before = live
      let effects = live.handle(event, at: now)
      journal.append((event, now))
      log += effects
      #expect(live.invariants == [], "seed \(seed), event \(place): \(event)")
      let complaints = check(effects, of: event, before: before, after: live)
      #expect(complaints == [], "seed \(seed), event \(place): \(event)")
      if random.integer(below: 30) == 0 {
        let decoded = try JSONDecoder().decode(
          RoundEngine.self, from: JSONEncoder().encode(live))
        #expect(decoded == live, "seed \(seed), event \(place): the coded state differs")
        live = decoded
      }
    }
    var replayed = start
    let replayedLog = journal.flatMap { replayed.handle($0.0, at: $0.1) }
    #expect(replayed == live, "seed \(seed): the fold of the journal differs")
    #expect(replayedLog == log, "seed \(seed): the replay had other effects")
  }

  private mutating func randomRules() -> RoundRules {
    let cohort = 1 + random.integer(below: 4)
    let quorum = 1 + random.integer(below: cohort)
    return RoundRules(
      versionCount: 1 + random.integer(below: 6), cohortSize: cohort,
      overSelection: 1 + random.unit(), quorum: quorum,
      minimumWorkers: quorum + random.integer(below: 3), deadline: .seconds(40),
      absenceGrace: .seconds(random.integer(below: 20)),
      maximumFailedRounds: 2 + random.integer(below: 8),
      retryDelay: .seconds(random.integer(below: 4)))
  }

  private mutating func randomTime() -> RunTime {
    switch random.integer(below: 40) {
    case 0: return seconds(time - 50)
    case 1: time += 45
    default: time += 3 * random.unit()
    }
    return seconds(time)
  }

  private mutating func randomEvent(_ engine: RoundEngine) -> RoundEngine.Event {
    let name = names[random.integer(below: names.count)]
    // Mostly the round and the version of now, so that something comes of it.
    let isNear = random.integer(below: 8) > 0
    let round = engine.status.round + (isNear ? 0 : random.integer(below: 4) - 2)
    let version = engine.version + (random.integer(below: 10) > 0 ? 0 : 1)
    switch random.integer(below: 24) {
    case 0...5: return .join(name)
    case 6...7: return .leave(name)
    case 8...14:
      return .gave(name, round, from: version, of: random.integer(below: 9) > 0 ? "x" : "y")
    case 15: return .fail(name, round)
    case 16...19: return .aggregated(round: round, version: version + 1)
    case 20: return .aggregationFailed(round: round, reason: "?")
    case 21: return random.integer(below: 3) > 0 ? .woke : .restarted
    case 22: return random.integer(below: 60) > 0 ? .woke : .stopped(reason: "?")
    default: return .woke
    }
  }

  /// What is wrong with the effects of one event.
  private mutating func check(
    _ effects: [RoundEngine.Effect], of event: RoundEngine.Event, before: RoundEngine,
    after: RoundEngine
  ) -> [String] {
    switch event {
    case .joined(let worker): connected.insert(worker)
    case .left(let worker): connected.remove(worker)
    case .restarted: (connected, aggregatedRounds) = ([], [])
    default: break
    }
    var complaints: [String] = []
    if after.version < before.version || after.version > before.version + 1 {
      complaints.append("the version went from \(before.version) to \(after.version)")
    }
    for effect in effects {
      if let complaint = complaint(about: effect, after) { complaints.append(complaint) }
    }
    if case .contributed(let contribution) = event {
      let receipts = effects.count { effect in
        switch effect {
        case .accept(contribution), .refuse(contribution, _): true
        default: false
        }
      }
      if receipts != 1 { complaints.append("\(receipts) receipts for \(contribution)") }
    }
    return complaints
  }

  private mutating func complaint(
    about effect: RoundEngine.Effect, _ after: RoundEngine
  ) -> String? {
    switch effect {
    case .assign(let task):
      if !connected.contains(task.worker) { return "assigned to \(task.worker), who is away" }
      if task.round != after.status.round { return "assigned in an old round" }
      if task.baseVersion != after.version { return "assigned from another version" }
    case .release(let worker, _, _):
      if !connected.contains(worker) { return "released \(worker), who is away" }
    case .aggregate(let round, let contributions):
      if !aggregatedRounds.insert(round).inserted { return "round \(round) aggregated twice" }
      if !accepted.isSuperset(of: contributions) { return "aggregates what was not accepted" }
    case .accept(let contribution): accepted.insert(contribution)
    case .finish:
      if isFinished, aggregatedRounds != [] { return "finished twice" }
      isFinished = true
    case .wake, .refuse, .disregard, .abandon: break
    }
    return nil
  }
}
