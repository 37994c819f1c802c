// SPDX-License-Identifier: Apache-2.0
public import Digests

// The words of a run, with one meaning each in code, messages, logs and pages:
//
//   run           one adapter learned from its first version to its last
//   round         one attempt to make the next version; numbers are used once, a retry has a new one
//   step          the same where losses travel: one attempt by all workers together, one round trip
//   query         one direction of a step, at which losses are evaluated
//   sign          along the direction of a query, which is plus, or against it, which is minus
//   task          what a worker is to evaluate in a step
//   version       how many commits the adapter has behind it; version 0 is where it starts
//   worker        a participant, known by the name in its certificate
//   assignment    a worker's task in a round: learn from this version
//   contribution  what a worker gives to a round: the digest of a payload and its weight
//   payload       encoded bytes of an update
//   update        what was learned: a change of the adapter
//   walk          an update as the steps along random directions that make the change
//   commit        the step from one version to the next, journalled before anyone hears of it

/// The name of a run: letters, digits, `-`, `_` and `.`, at most 64.
public struct RunID: RawRepresentable, Hashable, Codable, Sendable, CustomStringConvertible {
  /// The name itself.
  public let rawValue: String

  /// A name from a string; nil unless it is well formed.
  public init?(rawValue: String) {
    guard isWellFormedName(rawValue) else { return nil }
    self.rawValue = rawValue
  }

  /// The name itself.
  public var description: String { rawValue }
}

/// The name of a worker, as its certificate says it: letters, digits, `-`, `_` and `.`, at most 64.
public struct WorkerID: RawRepresentable, Hashable, Codable, CodingKeyRepresentable, Sendable,
  CustomStringConvertible
{
  /// The name itself.
  public let rawValue: String

  /// A name from a string; nil unless it is well formed.
  public init?(rawValue: String) {
    guard isWellFormedName(rawValue) else { return nil }
    self.rawValue = rawValue
  }

  /// The name itself.
  public var description: String { rawValue }
}

extension WorkerID: Comparable {
  /// By the bytes of the names: the canonical order in which contributions are summed.
  public static func < (left: WorkerID, right: WorkerID) -> Bool {
    left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8)
  }
}

private func isWellFormedName(_ name: String) -> Bool {
  let allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.".utf8)
  return (1...64).contains(name.utf8.count) && name.utf8.allSatisfy(allowed.contains)
    && name != "." && name != ".."
}

/// A moment of a run, as the journal knows it: nanoseconds since 1970.
public struct RunTime: Hashable, Comparable, Codable, Sendable {
  /// Nanoseconds since 1970-01-01T00:00:00Z.
  public let nanoseconds: Int64

  /// A moment by its nanoseconds since 1970.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The earlier moment first.
  public static func < (left: RunTime, right: RunTime) -> Bool {
    left.nanoseconds < right.nanoseconds
  }

  /// A moment `duration` later.
  public static func + (time: RunTime, duration: Duration) -> RunTime {
    RunTime(nanoseconds: time.nanoseconds + duration.wholeNanoseconds)
  }

  /// A moment `duration` earlier.
  public static func - (time: RunTime, duration: Duration) -> RunTime {
    RunTime(nanoseconds: time.nanoseconds - duration.wholeNanoseconds)
  }

  /// The time from `earlier` to `later`.
  public static func - (later: RunTime, earlier: RunTime) -> Duration {
    .nanoseconds(later.nanoseconds - earlier.nanoseconds)
  }
}

extension Duration {
  /// The duration in nanoseconds, what is below dropped.
  public var wholeNanoseconds: Int64 {
    components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }
}

/// What a worker gives to a round: its payload's digest, and how much it weighs.
public struct Contribution: Hashable, Codable, Sendable {
  /// The round it was assigned in.
  public let round: Int
  /// The version it was learned from.
  public let baseVersion: Int
  /// Who learned it.
  public let worker: WorkerID
  /// The encoded update's digest.
  public let payload: Digest
  /// How many examples it was learned from: its weight in the mean.
  public let exampleCount: Int

  /// A contribution of `worker` to `round`.
  public init(
    round: Int, baseVersion: Int, worker: WorkerID, payload: Digest, exampleCount: Int
  ) {
    self.round = round
    self.baseVersion = baseVersion
    self.worker = worker
    self.payload = payload
    self.exampleCount = exampleCount
  }
}
