// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Rounds
internal import Updates

/// The commits of a run by steps in a few arrays: what a store on a disk promises, without its price.
final class MemoryStepLog: StepLog {
  private(set) var records: [[UInt8]] = []
  private var snapshot: (version: Int, state: [UInt8])?
  private var end: RoundEngine.Outcome?

  init(first: [UInt8]?) { snapshot = first.map { (0, $0) } }

  func commitStep(version: Int, record: [UInt8], snapshot: [UInt8]?, at time: RunTime) throws {
    try require(version == records.count + 1, "version \(version) after \(records.count)")
    records.append(record)
    if let snapshot { self.snapshot = (version, snapshot) }
  }

  func stepRecords(after version: Int) -> [[UInt8]] { Array(records.dropFirst(version)) }

  func lastStepSnapshot() -> (version: Int, state: [UInt8])? { snapshot }

  func finish(_ outcome: RoundEngine.Outcome) { end = outcome }

  func outcome() -> RoundEngine.Outcome? { end }
}

/// A log that can kill whoever writes to it, before or after it is written.
final class FragileStepLog: StepLog {
  /// When a writer dies.
  enum Death { case before, after }

  private let base: any StepLog
  /// Set when the next write is the writer's last: whether it is still done.
  var death: Death?
  private(set) var records: [[UInt8]] = []
  private(set) var snapshotCount = 0

  init(_ base: any StepLog) { self.base = base }

  func commitStep(version: Int, record: [UInt8], snapshot: [UInt8]?, at time: RunTime) throws {
    let death = death
    self.death = nil
    if death == .before { throw FragileLog.Killed() }
    try base.commitStep(version: version, record: record, snapshot: snapshot, at: time)
    records.append(record)
    if snapshot != nil { snapshotCount += 1 }
    if death != nil { throw FragileLog.Killed() }
  }

  func stepRecords(after version: Int) throws -> [[UInt8]] {
    try base.stepRecords(after: version)
  }

  func lastStepSnapshot() throws -> (version: Int, state: [UInt8])? {
    try base.lastStepSnapshot()
  }

  func finish(_ outcome: RoundEngine.Outcome) throws { try base.finish(outcome) }

  func outcome() throws -> RoundEngine.Outcome? { try base.outcome() }
}
