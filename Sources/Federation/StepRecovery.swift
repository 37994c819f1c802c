// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Updates

/// A run by steps as its log has it.
///
/// Taking part, replay, and going on from a snapshot and what came after it are the same operation.
struct StepRecovery {
  let state: StepState
  let storage: StepStorage
  /// The record of the last commit, if it was replayed.
  let lastRecord: [UInt8]?

  /// The last version in `log`, from the last snapshot if there is one, else from `start`.
  ///
  /// - Throws: when a record is damaged, missing or of another run, and when the adapter at a version
  ///   where replicas are compared is not what it was.
  init(start: StepState, log: some StepLog) throws {
    var state = start
    var snapshotVersion = 0
    if let snapshot = try log.lastStepSnapshot() {
      state = try StepState(decoding: snapshot.state, from: "the snapshot", start: start)
      snapshotVersion = snapshot.version
      guard state.chain.version == snapshotVersion else {
        throw FederationError.damagedState("the snapshot is of version \(state.chain.version)")
      }
    }
    var storage = StepStorage(snapshotVersion: snapshotVersion)
    let records = try log.stepRecords(after: snapshotVersion)
    for record in records {
      let commit = try state.replay(record)
      storage.note(termCount: commit.step.terms.count)
    }
    self.state = state
    self.storage = storage
    lastRecord = records.last
  }
}

extension StepState {
  /// Takes a commit from its record, and compares what is compared.
  @discardableResult
  mutating func replay(_ record: [UInt8]) throws -> DirectionCommit {
    let commit = try DirectionCommit(record: record)
    try apply(commit, record: record)
    if let expected = commit.state {
      let found = replica.adapter.digest
      guard found == expected else {
        throw FederationError.damagedState(
          "version \(commit.version) has digest \(found.short) instead of \(expected.short)")
      }
    }
    return commit
  }

  /// The digest of the adapter where replicas are compared; nil at other versions.
  var comparedDigest: Digest? {
    chain.version % comparedVersionInterval == 0 ? replica.adapter.digest : nil
  }
}

/// When to write a snapshot, and whether it shortens a worker's way.
struct StepStorage {
  /// The version of the last snapshot; 0 for what the plan says.
  private(set) var snapshotVersion: Int
  /// How many terms the commits after it have.
  private(set) var termCount = 0

  init(snapshotVersion: Int) { self.snapshotVersion = snapshotVersion }

  /// Replaying so many terms takes as long as it takes to send four bytes for each parameter over
  /// 100 Mbit/s, at 0.45 ns a parameter and term: beyond that a snapshot is cheaper, whatever the
  /// size of the adapter.
  static let breakEvenTermCount = 711

  /// A snapshot is due when a worker that begins with the last one has so many terms to replay.
  static let interval = 3 * breakEvenTermCount

  mutating func note(termCount: Int) { self.termCount += termCount }

  /// Whether the commit that comes with so many terms is to be stored with a snapshot.
  func isSnapshotDue(with termCount: Int) -> Bool { self.termCount + termCount > Self.interval }

  mutating func noteSnapshot(of version: Int) {
    snapshotVersion = version
    termCount = 0
  }
}
