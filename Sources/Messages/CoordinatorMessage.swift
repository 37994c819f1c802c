// SPDX-License-Identifier: Apache-2.0
public import Digests

/// What the coordinator says to a worker.
public enum CoordinatorMessage: Hashable, Sendable {
  /// The worker is in; nothing else that it hears before this counts.
  case welcome(Welcome)
  /// The worker is not in, or no longer; the connection closes after this.
  case refused(Refusal)
  /// Learn this.
  case assignment(AssignmentMessage)
  /// Evaluate this.
  case step(StepTask)
  /// A contribution arrived.
  case receipt(Receipt)
  /// The assignment of `round`, or the task of a step, is withdrawn or its answer refused: stop
  /// working on it.
  case released(round: Int, reason: String)
  /// The run is over.
  case finished(Finished)
  /// The coordinator lives; `sequence` numbers the beats on this connection.
  case heartbeat(sequence: UInt64)
  /// The answer to a renewal.
  case renewed(Renewed)
}

/// The coordinator's answer to a contribution.
public struct Receipt: Hashable, Sendable {
  /// The round of the contribution.
  public let round: Int
  /// The digest of its payload.
  public let payload: Digest
  /// Why it will not count; nil when it was taken into the round.
  public let refusal: String?

  /// The answer to the contribution of `payload` to `round`.
  public init(round: Int, payload: Digest, refusal: String? = nil) {
    self.round = round
    self.payload = payload
    self.refusal = refusal
  }
}

/// What came of a worker's wish for a new certificate.
public enum Renewed: Hashable, Sendable {
  /// The new certificate, in DER form.
  case certificate([UInt8])
  /// There is none, and why.
  case refused(reason: String)
}

/// The end of a run.
public struct Finished: Hashable, Sendable {
  /// The last version of the adapter.
  public let version: Int
  /// The digest of the adapter.
  public let state: Digest
  /// Why the run failed; nil when it completed.
  public let outcome: String?

  /// The run ended with `version`.
  public init(version: Int, state: Digest, outcome: String? = nil) {
    self.version = version
    self.state = state
    self.outcome = outcome
  }
}
