// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files

/// A task for a worker, with the adapter to start from where it does not hold that yet.
public struct AssignmentMessage: Hashable, Sendable {
  /// A contribution of the worker that became part of the adapter.
  public struct Accepted: Hashable, Sendable {
    /// The version it went into.
    public let version: Int
    /// The digest of its payload.
    public let payload: Digest

    /// `payload` is part of `version`.
    public init(version: Int, payload: Digest) {
      self.version = version
      self.payload = payload
    }
  }

  /// The round to contribute to.
  public let round: Int
  /// The version to learn from.
  public let baseVersion: Int
  /// The time until the deadline; the clocks of two machines differ.
  public let remaining: Duration
  /// The last of this worker's contributions that is part of the adapter.
  public let accepted: Accepted?
  /// The way to `baseVersion`; nil when the worker holds it.
  public let adapter: AdapterDelivery?
  /// What is at the coordinator of the payload that this worker sent last.
  public let part: PayloadInbox.Part?

  /// A task of `round`; a deadline that has passed leaves no time, not less than none.
  public init(
    round: Int, baseVersion: Int, remaining: Duration, accepted: Accepted?,
    adapter: AdapterDelivery?, part: PayloadInbox.Part? = nil
  ) {
    self.round = round
    self.baseVersion = baseVersion
    self.remaining = max(.zero, remaining)
    self.accepted = accepted
    self.adapter = adapter
    self.part = part
  }
}

/// An adapter, or the way to it from an earlier version.
public struct AdapterDelivery: Hashable, Sendable {
  /// The version that the worker holds afterwards.
  public let version: Int
  /// The version that the payload is to be added to; nil when it is the adapter itself.
  public let baseVersion: Int?
  /// The digest of the adapter afterwards.
  public let state: Digest
  /// The encoded adapter, or the encoded change.
  public let payload: Payload
  /// How many bytes of the payload the worker has already, and is not sent again.
  public let offset: Int

  /// A delivery of `version`.
  public init(version: Int, baseVersion: Int?, state: Digest, payload: Payload, offset: Int = 0) {
    self.version = version
    self.baseVersion = baseVersion
    self.state = state
    self.payload = payload
    self.offset = offset
  }
}
