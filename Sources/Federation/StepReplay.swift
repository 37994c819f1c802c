// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Runs
public import Tensors
internal import Updates

/// A run by steps made again from its log alone.
public struct StepReplay {
  /// The last version.
  public let version: Int
  /// Its adapter.
  public let adapter: ParameterVector
  /// How many terms were added to get there.
  public let termCount: Int
  /// The versions whose adapter was compared with the digest that was committed with it.
  public let comparedVersions: [Int]
  /// The version of the snapshot that was compared with what the log gives; nil if there is none.
  public let comparedSnapshot: Int?
  /// The digest of the adapter.
  public let digest: Digest

  /// The run in `store`.
  ///
  /// - Parameter fromStart: whether to begin with version 0 even if there is a snapshot, and to see
  ///   that it is the same.
  /// - Throws: when a record is damaged, missing, of another run, or leads elsewhere than it did.
  public init(_ store: RunStore, fromStart: Bool) throws {
    let plan = try RunPlan(canonicalBytes: store.record.configuration)
    var start = try StepState(
      plan: plan, initialAdapter: ParameterVector(zerosOf: store.adapterLayout()))
    if let first = try store.firstStepSnapshot() {
      start = try StepState(decoding: first.state, from: "version 0", start: start)
    }
    let snapshot = try store.lastStepSnapshot()
    var state = start
    if !fromStart, let snapshot {
      state = try StepState(decoding: snapshot.state, from: "the snapshot", start: start)
    }
    var (termCount, compared): (Int, [Int]) = (0, [])
    var comparedSnapshot: Int?
    for record in try store.stepRecords(after: state.chain.version) {
      let commit = try state.replay(record)
      termCount += commit.step.terms.count
      if commit.state != nil { compared.append(commit.version) }
      if let snapshot, snapshot.version == commit.version {
        guard try state.encoded() == snapshot.state else {
          throw FederationError.damagedState("the snapshot of version \(commit.version) is another")
        }
        comparedSnapshot = commit.version
      }
    }
    version = state.chain.version
    adapter = state.replica.adapter
    digest = adapter.digest
    self.termCount = termCount
    comparedVersions = compared
    self.comparedSnapshot = comparedSnapshot
  }
}
