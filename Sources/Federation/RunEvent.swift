// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Rounds
public import Training

/// What happens in a run, for whoever watches it.
public enum RunEvent: Hashable, Codable, Sendable {
  /// The coordinator is ready; `version` is where it goes on from.
  case started(run: RunID, version: Int, versionCount: Int)
  /// A worker was welcomed.
  case joined(WorkerID, address: String)
  /// A worker's connection ended.
  case left(WorkerID, reason: String)
  /// Somebody was turned away, or a contribution was.
  case refused(name: String, reason: String)
  /// A round assigned its first task.
  case opened(round: Int, version: Int)
  /// A contribution arrived and is valid.
  case contributed(Arrival)
  /// Something that changes nothing came in.
  case disregarded(what: String, reason: String)
  /// The next version exists.
  case committed(Commit)
  /// Steps that workers took together became versions.
  case stepped(Steps)
  /// What the losses of the steps up to a version say about the gradient, the noise and the rate.
  case diagnosed(
    version: Int, figures: GradientDiagnostics.Figures, line: String, isWarning: Bool)
  /// A round ended without a commit.
  case failed(round: Int, reason: String)
  /// A version was measured on the validation data.
  case evaluated(version: Int, loss: Double, accuracy: Double?, tokenCount: Int)
  /// The run is over.
  case finished(version: Int, state: Digest, failure: String?)

  /// A contribution, as it arrived.
  public struct Arrival: Hashable, Codable, Sendable {
    /// Its round.
    public var round: Int
    /// Whose it is.
    public var worker: WorkerID
    /// The mean loss while it was learned.
    public var loss: Double
    /// How many tokens it was learned from in this round.
    public var tokenCount: Int
    /// How long the worker trained, in seconds.
    public var seconds: Double
    /// The payload's length.
    public var byteCount: Int
  }

  /// A commit and what it cost.
  public struct Commit: Hashable, Codable, Sendable {
    /// The round that made it.
    public var round: Int
    /// The version that it made.
    public var version: Int
    /// The digest of the adapter.
    public var state: Digest
    /// The contributions' mean loss, weighted like their updates.
    public var loss: Double
    /// Payload bytes from the workers in this round.
    public var receivedByteCount: Int
    /// Payload bytes to the workers in this round.
    public var sentByteCount: Int
    /// What the contributions would have been as 32-bit floats.
    public var denseByteCount: Int
    /// Tokens trained on in this round.
    public var tokenCount: Int
    /// Seconds from the round's first assignment to its commit.
    public var seconds: Double
  }

  /// Steps since this was told last, and what they cost.
  public struct Steps: Hashable, Codable, Sendable {
    /// The last version.
    public var version: Int
    /// How many steps.
    public var stepCount: Int
    /// How many workers are connected.
    public var workerCount: Int
    /// How many pairs evaluated one sign each in the last step; nil where signs are not split.
    public var pairCount: Int?
    /// The mean loss before each step; nil if none was finite.
    public var loss: Double?
    /// The mean estimate of the square of the gradient's norm; nil where scalars are no derivatives.
    public var squaredGradientNorm: Double?
    /// The last step's learning rate.
    public var learningRate: Double
    /// How many queries the steps were made of.
    public var queryCount: Int
    /// How many were left out, for want of finite losses, or of those of the other sign.
    public var droppedCount: Int
    /// How many scalars were shortened.
    public var clippedCount: Int
    /// How many answers changed nothing, since the coordinator was started.
    public var refusedCount: Int
    /// Bytes of losses from the workers.
    public var receivedByteCount: Int
    /// Bytes of commits and histories to the workers.
    public var sentByteCount: Int
    /// Tokens that were run through models.
    public var tokenCount: Int
    /// Seconds that the steps took.
    public var seconds: Double
  }
}
