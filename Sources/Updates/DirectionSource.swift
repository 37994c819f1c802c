// SPDX-License-Identifier: Apache-2.0

/// Which directions the workers walk along that send what they learned by losses.
public enum DirectionSource: Hashable, Codable, Sendable {
  /// Each worker's are its own: the errors that come from directions are averaged out among workers.
  case own
  /// All workers' are the same (DeComFL, arXiv:2405.15861): a version is told in as many numbers as
  /// one worker sends, however many took part.
  case shared
  /// As many for the whole run (FedKSeed, arXiv:2312.06353), some drawn at each step: all that is ever
  /// learned is told in one number for each.
  case pool(count: Int)

  /// How many directions there are in the run; nil without end.
  public var count: Int? {
    if case .pool(let count) = self { count } else { nil }
  }

  /// The step that the directions of a pool belong to, in which each is a query.
  public static let poolStep: UInt32 = 0
}
