// SPDX-License-Identifier: Apache-2.0
public import Messages

/// What ends a coordinator or a worker.
public enum FederationError: Error, Equatable {
  /// The coordinator's plan could not be read.
  case unreadablePlan(String)
  /// A stored state is damaged or of another layout.
  case damagedState(String)
  /// The coordinator does not take this worker.
  case refused(Refusal)
  /// The coordinator speaks of something that this worker does not have.
  case unexpected(String)
  /// Nothing was heard from the other side for too long.
  case silent(String)
  /// No coordinator welcomed this worker for too long; the last reason why not.
  case alone(Duration, String)
  /// A file could not be written.
  case file(String)
  /// The run ended without its last version.
  case runFailed(String)
}

extension FederationError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .unreadablePlan(let reason):
      "the coordinator's plan cannot be read (\(reason)); use the same version of tern on both sides"
    case .damagedState(let reason):
      "stored state is damaged: \(reason)"
    case .refused(let refusal):
      "the coordinator refused this worker: \(refusal.reason)"
    case .unexpected(let what): "the coordinator sent something unexpected: \(what)"
    case .silent(let who): "\(who) has been silent for too long"
    case .alone(let limit, let reason):
      "no coordinator for \(limit), giving up (\(reason)); if the run is not over, start the "
        + "coordinator and then this worker again"
    case .file(let reason): "\(reason); free or repair the disk and start again"
    case .runFailed(let reason): "the run failed: \(reason)"
    }
  }
}
