// SPDX-License-Identifier: Apache-2.0

/// Which losses a worker evaluates of each of its queries.
public enum Signs: String, CaseIterable, Hashable, Sendable {
  /// Those along the direction and those against it.
  case both
  /// Those along the direction.
  case plus
  /// Those against the direction.
  case minus
}
