// SPDX-License-Identifier: Apache-2.0
import Digests
import Federation
import Files
import Rounds
import Runs
import Testing
import Updates

/// A payload that the disk loses between its arrival and its round's end.
@Suite struct LostPayloadTests {
  private static let names = ["ann", "bob", "cleo"]

  /// A store whose first readings fail.
  private final class FailingLog: RunLog {
    private let store: RunStore
    private var failures: [RunError]
    private var contributed: Set<Digest> = []

    init(_ store: RunStore, failures: [RunError]) {
      self.store = store
      self.failures = failures
    }

    func append(_ event: RoundEngine.Event, at time: RunTime) throws {
      try store.append(event, at: time)
    }

    func record(
      _ contribution: Contribution, payload: Payload, event: RoundEngine.Event, at time: RunTime
    ) throws {
      contributed.insert(payload.digest)
      try store.record(contribution, payload: payload, event: event, at: time)
    }

    func commit(_ commit: LoggedCommit, at time: RunTime) throws {
      try store.commit(commit, at: time)
    }

    func finish(_ outcome: RoundEngine.Outcome) throws { try store.finish(outcome) }

    func inbox(of sender: String) -> PayloadInbox { store.inbox(of: sender) }

    func makeDraft() -> PayloadDraft { store.makeDraft() }

    /// Fails for contributions, not for the states of versions.
    func storedPayload(_ digest: Digest) throws -> Payload {
      if contributed.contains(digest), !failures.isEmpty { throw failures.removeFirst() }
      return try store.storedPayload(digest)
    }

    func recovered() throws -> (engine: RoundEngine, state: [UInt8]) { try store.recovered() }
  }

  private func fleet(failures: [RunError]) throws -> LockstepFleet {
    try withTemporaryFolder { folder in
      var fleet = try LockstepFleet(
        plan: testPlan(), workers: Self.names, folder: folder,
        log: { FailingLog($0, failures: failures) })
      try fleet.run()
      return fleet
    }
  }

  @Test(arguments: [
    RunError.missingPayload(Digest(of: [1])),
    .damaged(path: "p", reason: "the payload has changed"),
  ])
  func theRoundIsHeldAgainAndTheVersionIsTheSame(failure: RunError) throws {
    let disturbed = try fleet(failures: [failure, failure])
    #expect(disturbed.outcome == (try fleet(failures: []).outcome))
    #expect(disturbed.outcome?.failure == nil)
    let failed = disturbed.events.filter { event in
      guard case .failed(_, let reason) = event else { return false }
      return reason.contains("aggregation failed") && reason.contains("payload")
    }
    #expect(failed.count == 2)
  }

  @Test func aDiskThatCannotBeReadEndsTheCoordinator() throws {
    let failure = RunError.inaccessible(path: "p", reason: "input/output error")
    #expect(throws: failure) { _ = try fleet(failures: [failure]) }
  }

  @Test func aPayloadThatIsLostAgainAndAgainEndsTheRun() throws {
    let failure = RunError.missingPayload(Digest(of: [1]))
    let outcome = try fleet(failures: Array(repeating: failure, count: 100)).outcome
    #expect(outcome?.version == 0)
    #expect(outcome?.failure?.contains("5 rounds in a row failed") == true)
  }
}
