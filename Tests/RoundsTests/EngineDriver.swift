// SPDX-License-Identifier: Apache-2.0
import Digests
import Randomness
import Rounds
import Testing

/// Drives an engine through a script, and asks its invariants after every event.
struct EngineDriver {
  var engine: RoundEngine

  init(_ rules: RoundRules, seed: UInt64 = 1) throws {
    engine = try RoundEngine(rules: rules, seed: Seed(seed), at: seconds(0))
  }

  /// What the engine returns for `event`, in the short form of `RoundEngine.Effect.short`.
  mutating func send(
    _ event: RoundEngine.Event, at time: Double, location: SourceLocation = #_sourceLocation
  ) -> [String] {
    let effects = engine.handle(event, at: seconds(time))
    #expect(engine.invariants == [], "after \(event)", sourceLocation: location)
    return effects.map(\.short)
  }

  /// Sends an event and expects exactly these effects.
  mutating func expect(
    _ event: RoundEngine.Event, at time: Double, _ expected: [String],
    location: SourceLocation = #_sourceLocation
  ) {
    let effects = send(event, at: time, location: location)
    #expect(effects == expected, "after \(event)", sourceLocation: location)
  }

  /// Lets workers join at one time and expects nothing of what follows.
  mutating func join(_ names: String..., at time: Double) {
    for name in names { _ = send(.joined(worker(name)), at: time) }
  }
}

func worker(_ name: String) -> WorkerID {
  guard let worker = WorkerID(rawValue: name) else { preconditionFailure("bad name \(name)") }
  return worker
}

func seconds(_ value: Double) -> RunTime { RunTime(nanoseconds: Int64(value * 1e9)) }

func contribution(
  _ name: String, round: Int, from version: Int, of text: String = "update"
) -> Contribution {
  Contribution(
    round: round, baseVersion: version, worker: worker(name),
    payload: Digest(of: Array(text.utf8)), exampleCount: 10)
}

extension RoundEngine.Event {
  static func gave(
    _ name: String, _ round: Int, from version: Int, of text: String = "update"
  ) -> Self {
    .contributed(contribution(name, round: round, from: version, of: text))
  }

  static func join(_ name: String) -> Self { .joined(worker(name)) }
  static func leave(_ name: String) -> Self { .left(worker(name)) }
  static func fail(_ name: String, _ round: Int) -> Self {
    .failed(worker(name), round: round, reason: "out of memory")
  }
}

extension RoundEngine.Effect {
  /// "assign a 1 from 0 until 100", and the like.
  var short: String {
    switch self {
    case .assign(let task):
      "assign \(task.worker) \(task.round) from \(task.baseVersion) until \(task.deadline.short)"
        + (task.lastCountedVersion.map { " counted \($0)" } ?? "")
    case .release(let worker, let round, let reason): "release \(worker) \(round) \(reason)"
    case .aggregate(let round, let contributions):
      "aggregate \(round) of " + contributions.map(\.worker.rawValue).joined(separator: " ")
    case .wake(let time): "wake \(time.short)"
    case .accept(let one): "accept \(one.worker) \(one.round)"
    case .refuse(let one, let reason): "refuse \(one.worker) \(one.round) \(reason)"
    case .disregard(_, let reason): "disregard \(reason)"
    case .abandon(let round, _, let retry): "abandon \(round), \(retry?.short ?? "never") again"
    case .finish(let outcome): "finish \(outcome)"
    }
  }
}

extension RunTime {
  var short: String {
    nanoseconds % 1_000_000_000 == 0
      ? "\(nanoseconds / 1_000_000_000)" : "\(Double(nanoseconds) / 1e9)"
  }
}
