// SPDX-License-Identifier: Apache-2.0

/// What can go wrong.
public enum Fault: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
  /// A connection breaks; what is on its way is lost.
  case cut
  /// A connection breaks, and one side does not notice before the silence is too long.
  case halfOpen
  /// A message takes long, perhaps beyond the deadline, and holds up those behind it.
  case slowMessage
  /// Training takes long, perhaps beyond the deadline.
  case slowTraining
  /// Training fails.
  case failedTraining
  /// A worker's process is killed at any time.
  case workerKill
  /// A worker's process is killed just before or just after it sends.
  case workerKillAtSend
  /// A worker's process is killed just before or just after it writes its memory.
  case workerKillAtMemory
  /// A worker's process is stopped for a while.
  case workerStop
  /// A worker's memory is lost with its process.
  case forgottenMemory
  /// The coordinator is killed at any time.
  case coordinatorKill
  /// The coordinator is killed just before or just after it writes.
  case coordinatorKillAtWrite
  /// The coordinator is killed when some of what follows from an input is done.
  case coordinatorKillAtOutput
  /// The coordinator's process is stopped for a while.
  case coordinatorStop
  /// The coordinator's clock jumps, forwards or backwards.
  case clockJump
  /// A worker connects although it is connected.
  case secondConnection
  /// A contribution arrives twice.
  case duplicate
  /// A contribution of earlier arrives again.
  case replay
  /// A contribution arrives with other bytes than its digest says, or with bytes that are none.
  case corruption
  /// A contribution arrives with numbers that are not finite.
  case nonFinite
  /// A contribution arrives that weighs nothing.
  case weightless
  /// A contribution arrives for a round or a version that it does not belong to.
  case misplaced
  /// A message arrives that has no place there.
  case nonsense
  /// Another valid contribution arrives in a worker's name.
  case forgery
  /// A valid contribution with numbers beyond all bounds arrives.
  case absurdity
  /// The operator ends the run.
  case operatorStop

  /// At the most frequent, it happens once in so many chances.
  var likeliest: Int {
    switch self {
    case .cut, .halfOpen, .workerKill, .workerStop, .coordinatorKill, .coordinatorStop,
      .clockJump, .secondConnection:
      1
    case .slowMessage, .coordinatorKillAtWrite, .coordinatorKillAtOutput: 10
    case .operatorStop: 4
    default: 3
    }
  }

  /// Whether it has an influence on the adapter even when every round has all workers.
  var changesWhatIsLearned: Bool {
    switch self {
    case .forgottenMemory, .forgery, .absurdity, .operatorStop: true
    default: false
    }
  }

  /// Whether the run may end with it.
  var canEndTheRun: Bool { self == .absurdity || self == .operatorStop }

  /// Whether it strikes by itself; the others wait for an occasion.
  var isTimed: Bool {
    switch self {
    case .cut, .halfOpen, .workerKill, .workerStop, .coordinatorKill, .coordinatorStop, .clockJump,
      .secondConnection, .operatorStop:
      true
    default: false
    }
  }
}
