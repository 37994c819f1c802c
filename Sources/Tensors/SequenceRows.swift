// SPDX-License-Identifier: Apache-2.0

/// The rows of one sequence: those that it shares with others, then its own.
public struct SequenceRows: Hashable, Sendable {
  /// The rows of its first tokens, which are computed with another sequence.
  public let prefix: Range<Int>
  /// The rows of the tokens after them.
  public let own: Range<Int>

  /// A sequence of `prefix`, then `own`.
  public init(prefix: Range<Int> = 0..<0, own: Range<Int>) {
    self.prefix = prefix
    self.own = own
  }

  /// Sequences of the given lengths end to end.
  public static func endToEnd(_ lengths: [Int]) -> [SequenceRows] {
    var start = 0
    return lengths.map { length in
      defer { start += length }
      return SequenceRows(own: start..<(start + length))
    }
  }

  /// The number of tokens.
  public var length: Int { prefix.count + own.count }
}
