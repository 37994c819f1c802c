// SPDX-License-Identifier: Apache-2.0

/// Why a worker is turned away.
public struct Refusal: Hashable, Sendable {
  /// The kind of a refusal, for a program to act on; the raw values are those on the wire.
  public enum Code: Int, Sendable, CaseIterable {
    /// A reason that this version has no name for.
    case other = 0
    /// The worker speaks another version of the protocol.
    case protocolVersion = 1
    /// The worker's model is another one.
    case model = 2
    /// The worker's adapter has another layout.
    case layout = 3
    /// The worker's certificate names nobody who takes part.
    case identity = 4
    /// There is no room for another worker.
    case capacity = 5
    /// There is no such run, or it is over.
    case run = 6
    /// A newer connection of the same worker took this one's place.
    case replaced = 7
    /// The worker sent what is no message, or one that has no place there.
    case malformed = 8
    /// The invitation is unknown, used, expired or withdrawn.
    case invitation = 9
    /// The worker's certificate does not hold any more.
    case certificate = 10
    /// The coordinator cannot sign certificates.
    case authority = 11
  }

  /// What kind of refusal this is.
  public let code: Code
  /// The same in words, with both values where two differ.
  public let reason: String
  /// Whether coming back later may help.
  public let retryable: Bool

  /// A refusal for `reason`.
  public init(code: Code, reason: String, retryable: Bool) {
    self.code = code
    self.reason = reason
    self.retryable = retryable
  }
}
