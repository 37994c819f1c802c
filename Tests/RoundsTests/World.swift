// SPDX-License-Identifier: Apache-2.0
import Digests
import Foundation
import Randomness
import Rounds

/// An engine, its workers and the connections between them in virtual time: a sorted queue of
/// what happens, with faults drawn from a seed until a given time.
struct World {
  private(set) var engine: RoundEngine
  /// What each version was made of.
  private(set) var versions: [[Digest]] = []
  /// What went wrong that no fault excuses.
  private(set) var complaints: [String] = []

  private enum Occurrence {
    case toEngine(RoundEngine.Event, connection: Int?)
    case toWorker(WorkerID, RoundEngine.Effect, connection: Int)
    case trained(WorkerID, RoundEngine.Assignment)
    case connect(WorkerID)
    case crash(WorkerID)
    case woke(generation: Int)
    case aggregated(round: Int, [Contribution], generation: Int)
    case killCoordinator
  }

  /// A worker: it keeps what it learned last, and gives it again to a retried round.
  private struct Worker {
    var connection: Int?
    var task: RoundEngine.Assignment?
    var unacknowledged: Contribution?
  }

  private let faultsUntil: Double
  private var random: RandomStream
  private var queue: [(time: Double, order: Int, what: Occurrence)] = []
  private var order = 0
  private var now = 0.0
  private var workers: [WorkerID: Worker] = [:]
  private var names: [WorkerID]
  private var connectionCount = 0
  private var generation = 0
  private var clockOffset = 0.0

  init(seed: UInt64, workerCount: Int, rules: RoundRules, faultsUntil: Double) throws {
    engine = try RoundEngine(rules: rules, seed: Seed(seed), at: seconds(0))
    random = RandomStream(Seed(seed).derived("world"))
    names = (0..<workerCount).map { worker("w\($0)") }
    self.faultsUntil = faultsUntil
    for name in names {
      workers[name] = Worker()
      schedule(random.unit(), .connect(name))
    }
    var time = 5.0
    while time < faultsUntil {
      let victim = names[random.integer(below: names.count)]
      schedule(time, random.integer(below: 5) == 0 ? .killCoordinator : .crash(victim))
      time += 40 * random.unit()
    }
  }

  /// What a worker learns from a version, whatever the round.
  static func payload(of worker: WorkerID, from version: Int) -> Digest {
    Digest(of: Array("\(worker) from \(version)".utf8))
  }

  /// Goes on until the run is over or nothing more happens; the time of the end.
  mutating func run() throws -> Double {
    while engine.outcome == nil, !queue.isEmpty {
      let next = queue.indices.min {
        (queue[$0].time, queue[$0].order) < (queue[$1].time, queue[$1].order)
      }
      guard let next else { break }
      let item = queue.remove(at: next)
      now = item.time
      try happen(item.what)
    }
    return now
  }

  private var isFaulty: Bool { now < faultsUntil }

  private mutating func chance(_ oneIn: Int) -> Bool {
    isFaulty && random.integer(below: oneIn) == 0
  }

  private mutating func schedule(_ time: Double, _ what: Occurrence) {
    queue.append((time, order, what))
    order += 1
  }

  private mutating func happen(_ what: Occurrence) throws {
    switch what {
    case .toEngine(let event, let connection):
      // What was on its way when the coordinator was killed is lost; so is what a dead
      // connection has not delivered, now and then.
      if let connection, connection < 0 { return }
      deliver(event)
    case .toWorker(let name, let effect, let connection): receive(name, effect, connection)
    case .trained(let name, let task): answer(name, task)
    case .connect(let name): connect(name)
    case .crash(let name): disconnect(name, losesMemory: random.integer(below: 2) == 0)
    case .woke(let generation): if generation == self.generation { deliver(.woke) }
    case .aggregated(let round, let contributions, let generation):
      guard generation == self.generation else { return }
      let version = engine.version
      deliver(
        chance(15)
          ? .aggregationFailed(round: round, reason: "a fault")
          : .aggregated(round: round, version: version + 1))
      if engine.version == version + 1 { versions.append(contributions.map(\.payload)) }
    case .killCoordinator: try killCoordinator()
    }
  }

  private mutating func deliver(_ event: RoundEngine.Event) {
    if chance(50) { clockOffset += 20 * random.unit() - 10 }
    let effects = engine.handle(event, at: seconds(now + clockOffset))
    complaints += engine.invariants.map { "\(now) s, after \(event): \($0)" }
    for effect in effects { carryOut(effect) }
  }

  private mutating func carryOut(_ effect: RoundEngine.Effect) {
    switch effect {
    case .assign(let task): send(effect, to: task.worker)
    case .release(let worker, _, _): send(effect, to: worker)
    case .accept(let contribution), .refuse(let contribution, _):
      send(effect, to: contribution.worker)
    case .aggregate(let round, let contributions):
      schedule(now + 0.1, .aggregated(round: round, contributions, generation: generation))
      for one in contributions
      where one.payload != Self.payload(of: one.worker, from: engine.version) {
        complaints.append("aggregates another payload of \(one.worker)")
      }
    case .wake(let time):
      let delay = Double(time.nanoseconds) / 1e9 - clockOffset
      schedule(max(now, delay) + 0.001, .woke(generation: generation))
    case .disregard, .abandon, .finish: break
    }
  }

  private mutating func send(_ effect: RoundEngine.Effect, to name: WorkerID) {
    guard let connection = workers[name]?.connection else { return }
    schedule(
      now + 0.05 + 0.1 * random.unit(), .toWorker(name, effect, connection: connection))
  }

  private mutating func receive(
    _ name: WorkerID, _ effect: RoundEngine.Effect, _ connection: Int
  ) {
    guard workers[name]?.connection == connection else { return }
    switch effect {
    case .assign(let task):
      let isNew = workers[name]?.task?.round != task.round
      workers[name]?.task = task
      if isNew { schedule(now + 1 + 10 * random.unit(), .trained(name, task)) }
    case .release: workers[name]?.task = nil
    case .accept(let one), .refuse(let one, _):
      if workers[name]?.unacknowledged == one { workers[name]?.unacknowledged = nil }
    default: break
    }
  }

  private mutating func answer(_ name: WorkerID, _ task: RoundEngine.Assignment) {
    guard let worker = workers[name], worker.task?.round == task.round else { return }
    if chance(20) {
      schedule(now, .toEngine(.failed(name, round: task.round, reason: "a fault"), connection: nil))
      return
    }
    let contribution = Contribution(
      round: task.round, baseVersion: task.baseVersion, worker: name,
      payload: Self.payload(of: name, from: task.baseVersion), exampleCount: 1)
    workers[name]?.unacknowledged = contribution
    sendUp(contribution, from: worker)
  }

  private mutating func sendUp(_ contribution: Contribution, from worker: Worker) {
    guard worker.connection != nil else { return }
    for _ in 0..<(chance(6) ? 2 : 1) where !chance(12) {
      let delay = chance(25) ? 90 * random.unit() : random.unit()
      schedule(now + delay, .toEngine(.contributed(contribution), connection: nil))
    }
  }

  private mutating func connect(_ name: WorkerID) {
    connectionCount += 1
    workers[name]?.connection = connectionCount
    deliver(.joined(name))
    guard let worker = workers[name], let contribution = worker.unacknowledged else { return }
    sendUp(contribution, from: worker)
  }

  private mutating func disconnect(_ name: WorkerID, losesMemory: Bool) {
    guard workers[name]?.connection != nil else { return }
    if losesMemory {
      workers[name] = Worker()
    } else {
      workers[name]?.connection = nil
    }
    // Now and then the new connection is there before the old one's end is noticed.
    if !chance(4) { deliver(.left(name)) }
    schedule(now + 30 * random.unit(), .connect(name))
  }

  private mutating func killCoordinator() throws {
    generation += 1
    engine = try JSONDecoder().decode(RoundEngine.self, from: JSONEncoder().encode(engine))
    for name in names {
      if workers[name]?.connection != nil { schedule(now + 5 * random.unit() + 1, .connect(name)) }
      workers[name]?.connection = nil
    }
    deliver(.restarted)
  }
}
