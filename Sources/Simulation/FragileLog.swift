// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Files
internal import Rounds

/// A log that can kill whoever writes to it, before or after the n-th write from now.
///
/// It remembers what was written, so that what is heard of can be held against it.
final class FragileLog: RunLog {
  /// The process died here.
  struct Killed: Error {}

  private let base: any RunLog
  private var death: (writesLeft: Int, isAfter: Bool)?

  private(set) var writeCount = 0
  private(set) var events: [(event: RoundEngine.Event, time: RunTime)] = []
  private(set) var recorded: Set<Contribution> = []
  private(set) var payloads: [Digest: Payload] = [:]
  private(set) var commits: [LoggedCommit] = []
  private(set) var outcome: RoundEngine.Outcome?

  init(_ base: any RunLog) { self.base = base }

  /// Arms the log: the writer dies at the write after `writeCount` more, or not at all.
  func arm(after writeCount: Int, isAfter: Bool) { death = (writeCount, isAfter) }

  /// Whoever was to be killed got away, or is dead.
  func disarm() { death = nil }

  func append(_ event: RoundEngine.Event, at time: RunTime) throws {
    try write {
      try base.append(event, at: time)
      events.append((event, time))
    }
  }

  func record(
    _ contribution: Contribution, payload: Payload, event: RoundEngine.Event, at time: RunTime
  ) throws {
    try write {
      try base.record(contribution, payload: payload, event: event, at: time)
      recorded.insert(contribution)
      payloads[contribution.payload] = payload
      events.append((event, time))
    }
  }

  func commit(_ commit: LoggedCommit, at time: RunTime) throws {
    try write {
      try base.commit(commit, at: time)
      commits.append(commit)
      events.append((commit.event, time))
    }
  }

  func finish(_ outcome: RoundEngine.Outcome) throws {
    try write {
      try base.finish(outcome)
      self.outcome = outcome
    }
  }

  func inbox(of sender: String) -> PayloadInbox { base.inbox(of: sender) }

  func makeDraft() -> PayloadDraft { base.makeDraft() }

  func storedPayload(_ digest: Digest) throws -> Payload { try base.storedPayload(digest) }

  func recovered() throws -> (engine: RoundEngine, state: [UInt8]) { try base.recovered() }

  private func write(_ body: () throws -> Void) throws {
    let death = death
    if let death { self.death = (death.writesLeft - 1, death.isAfter) }
    if let death, death.writesLeft == 0, !death.isAfter { throw Killed() }
    try body()
    writeCount += 1
    if let death, death.writesLeft == 0 { throw Killed() }
  }
}
