// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Foundation
import Randomness
import Rounds
import Testing

@testable import Runs

/// A folder that is deleted with the value.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/tern-runs-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func callAsFunction(_ name: String) -> String { path + "/" + name }
}

/// A run as a coordinator leads it, without workers: an engine, a store, and what was done.
struct ScriptedRun {
  let store: RunStore
  var engine: RoundEngine
  var state: [UInt8]
  var time = 0.0
  var journal: [JournalEntry] = []
  var commits: [Commit] = []

  static let rules = RoundRules(
    versionCount: 4, cohortSize: 2, deadline: .seconds(100), absenceGrace: .seconds(10))

  static func record(
    _ name: String = "run-1", configuration: String = "rounds: 4", model: String = "model",
    layout: String = "layout"
  ) throws -> RunRecord {
    RunRecord(
      id: try #require(RunID(rawValue: name)), created: RunTime(nanoseconds: 17),
      configuration: Array(configuration.utf8), model: Digest(of: Array(model.utf8)),
      layout: Array(layout.utf8), software: "0.1.0")
  }

  static func engine() throws -> RoundEngine {
    try RoundEngine(rules: rules, seed: Seed(1), at: RunTime(nanoseconds: 0))
  }

  init(at location: RunStore.Location, name: String = "run-1") throws {
    engine = try Self.engine()
    state = [0]
    let state = state
    store = try RunStore.create(Self.record(name), engine: engine, at: location) { _ in
      (state, [Self.vector(0)])
    }
  }

  /// The operations of a whole run with most of what can happen in one, in order.
  static let script: [@Sendable (inout ScriptedRun) throws -> Void] = {
    var script: [@Sendable (inout ScriptedRun) throws -> Void] = [
      { try $0.append(.joined(worker("a"))) },
      { try $0.append(.joined(worker("b"))) },
      { try $0.give("a") },
      { try $0.give("a") },
      { try $0.append(.left(worker("b"))) },
      { try $0.append(.restarted) },
      { try $0.append(.joined(worker("b"))) },
      { try $0.append(.woke, after: 200) },
      { try $0.append(.woke, after: 10) },
      { try $0.append(.joined(worker("a"))) },
      { try $0.store.addMetric(#"{"loss":1.5}"#, at: $0.now) },
    ]
    for _ in 1...4 {
      script += [
        { try $0.give("b") }, { try $0.give("a") }, { try $0.commit() },
        { try $0.append(.failed(worker("a"), round: 1, reason: "late \u{1F984} \"word\"")) },
      ]
    }
    return script + [{ try $0.finish() }]
  }()

  var now: RunTime { RunTime(nanoseconds: Int64(time * 1e9)) }

  mutating func append(_ event: RoundEngine.Event, after delay: Double = 1) throws {
    time += delay
    let sequence = try store.append(event, at: now)
    take(event, sequence)
  }

  /// What `name` learned from the version of now arrives.
  mutating func give(_ name: String) throws {
    time += 1
    let payload = Self.payload(name, from: engine.version)
    let contribution = Contribution(
      round: engine.status.round, baseVersion: engine.version, worker: worker(name),
      payload: Digest(of: payload), exampleCount: 3)
    let event = RoundEngine.Event.contributed(contribution)
    let sequence = try store.record(
      contribution, payload: Payload(payload), event: event, at: now)
    take(event, sequence)
  }

  mutating func commit() throws {
    time += 1
    let version = engine.version + 1
    let round = engine.status.round
    let event = RoundEngine.Event.aggregated(round: round, version: version)
    var next = engine
    _ = next.handle(event, at: now)
    let contributions = ["a", "b"].map { name in
      Contribution(
        round: round, baseVersion: version - 1, worker: worker(name),
        payload: Digest(of: Self.payload(name, from: version - 1)), exampleCount: 3)
    }
    let broadcast = version == 3 ? nil : Array("broadcast \(version)".utf8)
    let newState = state + [UInt8(version)]
    let adapter = Digest(of: newState)
    let sequence = try store.commit(
      version: version, round: round, adapter: adapter, contributions: contributions,
      broadcast: broadcast.map { Payload($0) }, state: newState,
      vectors: [Self.vector(version)], engine: next, event: event, at: now,
      metrics: ["{\"version\":\(version)}"])
    state = newState
    commits.append(
      Commit(
        version: version, round: round, time: now, contributions: contributions,
        adapter: adapter, broadcast: broadcast.map(Digest.init(of:))))
    take(event, sequence)
  }

  mutating func finish() throws {
    try store.finish(try #require(engine.outcome))
  }

  static func payload(_ name: String, from version: Int) -> [UInt8] {
    // What "a" gives is large enough for a file of its own.
    Array(
      repeating: Array("\(name) from \(version) ".utf8), count: name == "a" ? 10_000 : 300
    ).flatMap { $0 }
  }

  /// A part of the state of a version.
  static func vector(_ version: Int) -> Payload {
    Payload(Array(repeating: Array("vector \(version)".utf8), count: 10_000).flatMap { $0 })
  }

  private mutating func take(_ event: RoundEngine.Event, _ sequence: Int) {
    _ = engine.handle(event, at: now)
    journal.append(JournalEntry(sequence: sequence, time: now, event: event))
  }
}

func worker(_ name: String) -> WorkerID {
  guard let worker = WorkerID(rawValue: name) else { preconditionFailure("bad name \(name)") }
  return worker
}
