// SPDX-License-Identifier: Apache-2.0
public import Rounds
public import Runs

/// What a coordinator of steps asks of the store that it must not forget anything of.
///
/// What a method wrote survives a kill after it returned; all or nothing of it survives one before.
public protocol StepLog {
  /// Writes a commit's record, and what its version is if that is to be gone on from.
  func commitStep(version: Int, record: [UInt8], snapshot: [UInt8]?, at time: RunTime) throws

  /// The records after `version`, in order.
  func stepRecords(after version: Int) throws -> [[UInt8]]

  /// The last snapshot with its version, if there is any.
  func lastStepSnapshot() throws -> (version: Int, state: [UInt8])?

  /// Notes how the run ended; again is the same as once.
  func finish(_ outcome: RoundEngine.Outcome) throws

  /// How the run ended; nil while it goes on.
  func outcome() throws -> RoundEngine.Outcome?

  /// How long writing has taken since this was asked last.
  func takeWritingTime() -> Duration
}

extension StepLog {
  /// No time at all, for what is not on a disk.
  public func takeWritingTime() -> Duration { .zero }
}

extension RunStore: StepLog {}
