// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Rounds

/// Drives an engine through a script, and asks its invariants after every event.
struct StepDriver {
  var engine: StepEngine

  init(
    workers: Int = 2, quorum: Int = 1, versions: Int = 100, queries: Int = 4, least: Int = 1,
    groupSize: Int = 1, splitsSigns: Bool = false, deadline: Duration = .seconds(10),
    failures: Int = 3
  ) throws {
    let rounds = RoundRules(
      versionCount: versions, cohortSize: workers, quorum: quorum, minimumWorkers: workers,
      deadline: deadline, maximumFailedRounds: failures, retryDelay: .seconds(1))
    engine = try StepEngine(
      rules: StepRules(
        rounds: rounds, queryCount: queries, leastQueryCount: least, groupSize: groupSize,
        splitsSigns: splitsSigns),
      at: seconds(0))
  }

  mutating func send(
    _ event: StepEngine.Event, at time: Double, location: SourceLocation = #_sourceLocation
  ) -> [String] {
    let effects = engine.handle(event, at: seconds(time))
    #expect(engine.invariants == [], "after \(event)", sourceLocation: location)
    return effects.map(\.short)
  }

  mutating func expect(
    _ event: StepEngine.Event, at time: Double, _ expected: [String],
    location: SourceLocation = #_sourceLocation
  ) {
    #expect(send(event, at: time, location: location) == expected, sourceLocation: location)
  }

  /// Everybody answers and the step is committed.
  mutating func step(_ number: Int, by names: [String], taking times: [Double], at time: Double) {
    for (name, taken) in zip(names, times).sorted(by: { $0.1 < $1.1 }) {
      _ = send(.answered(worker(name), step: number), at: time + taken)
    }
    _ = send(
      .committed(step: number, version: engine.version + 1), at: time + (times.max() ?? 0))
  }
}

extension StepEngine.Effect {
  var short: String {
    switch self {
    case .assign(let task):
      "\(task.worker): step \(task.step) at \(task.baseVersion), \(task.queries)"
        + (task.signs == .both ? "" : " \(task.signs)")
    case .release(let worker, let step, let reason): "\(worker): out of \(step), \(reason)"
    case .commit(let step, let workers):
      "commit \(step) of \(workers.map(\.rawValue).joined(separator: " "))"
    case .wake(let time): "wake at \(Double(time.nanoseconds) / 1e9)"
    case .disregard(_, let reason): "disregard: \(reason)"
    case .abandon(let step, let reason, let retry):
      "abandon \(step): \(reason)\(retry == nil ? "" : "; again")"
    case .finish(let outcome): "\(outcome)"
    }
  }
}
