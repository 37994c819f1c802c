// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Files
internal import FoundationEssentials
internal import Rounds

/// A run's log in a few arrays: what a store on a disk promises, without its price.
final class MemoryLog: RunLog {
  private var snapshot: (engine: RoundEngine, state: StoredState, eventCount: Int)
  private var events: [(event: RoundEngine.Event, time: RunTime)] = []
  /// What was contributed to versions to come.
  private var contributions: [Digest: (payload: Payload, baseVersion: Int)] = [:]
  private var broadcasts: [Digest: Payload] = [:]

  /// The log of a run at its beginning.
  init(_ beginning: RunBeginning) throws {
    snapshot = (beginning.engine, StoredState(bytes: [], vectors: []), 0)
    snapshot.state = try beginning.state(in: self)
  }

  func append(_ event: RoundEngine.Event, at time: RunTime) { events.append((event, time)) }

  func record(
    _ contribution: Contribution, payload: Payload, event: RoundEngine.Event, at time: RunTime
  ) {
    let version = max(
      contribution.baseVersion, contributions[contribution.payload]?.baseVersion ?? 0)
    contributions[contribution.payload] = (payload, version)
    events.append((event, time))
  }

  func commit(_ commit: LoggedCommit, at time: RunTime) {
    events.append((commit.event, time))
    if let broadcast = commit.broadcast { broadcasts[broadcast.digest] = broadcast }
    contributions = contributions.filter { $0.value.baseVersion >= commit.version }
    snapshot = (commit.engine, commit.state, events.count)
  }

  func finish(_ outcome: RoundEngine.Outcome) {}

  func inbox(of sender: String) -> PayloadInbox { PayloadInbox() }

  func makeDraft() -> PayloadDraft { PayloadDraft() }

  func storedPayload(_ digest: Digest) throws -> Payload {
    let payload =
      contributions[digest]?.payload ?? broadcasts[digest]
      ?? snapshot.state.vectors.first { $0.digest == digest }
    guard let payload else { throw Breach("no payload \(digest.short)") }
    return payload
  }

  func recovered() throws -> (engine: RoundEngine, state: [UInt8]) {
    // Through its coded form, as a store would: what is not coded is lost.
    let coded = try JSONEncoder().encode(snapshot.engine)
    var engine = try JSONDecoder().decode(RoundEngine.self, from: coded)
    for (event, time) in events[snapshot.eventCount...] { _ = engine.handle(event, at: time) }
    return (engine, snapshot.state.bytes)
  }
}
