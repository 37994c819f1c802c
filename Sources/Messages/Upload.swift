// SPDX-License-Identifier: Apache-2.0
public import Files
public import Rounds

/// A contribution with its payload and what the worker measured.
public struct Upload: Hashable, Sendable {
  /// What the round needs to know; on the wire without the worker's name.
  public let contribution: Contribution
  /// The mean loss over the local steps; finite.
  public let loss: Double
  /// The tokens that were learned from.
  public let tokenCount: Int
  /// How long training took on the worker.
  public let duration: Duration
  /// The encoded update, the bytes that `contribution.payload` is the digest of.
  public let payload: Payload
  /// How many bytes of the payload are at the coordinator already, and not sent again.
  public let offset: Int

  /// `payload` as the answer to a round.
  public init(
    contribution: Contribution, loss: Double, tokenCount: Int, duration: Duration,
    payload: Payload, offset: Int = 0
  ) {
    self.contribution = contribution
    self.loss = loss
    self.tokenCount = tokenCount
    self.duration = duration
    self.payload = payload
    self.offset = offset
  }
}
