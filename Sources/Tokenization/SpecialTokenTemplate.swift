// SPDX-License-Identifier: Apache-2.0

/// The special tokens that are set around a text's own.
struct SpecialTokenTemplate: Equatable, Sendable {
  /// What follows one another in the result.
  enum Part: Equatable, Sendable {
    case special([Int32])
    case text
  }

  let parts: [Part]

  /// Adds nothing.
  static let none = SpecialTokenTemplate(parts: [.text])

  /// This template's tokens set around those of `inner`.
  func wrapped(around inner: SpecialTokenTemplate) -> SpecialTokenTemplate {
    SpecialTokenTemplate(parts: parts.flatMap { $0 == .text ? inner.parts : [$0] })
  }

  /// `ids` with the special tokens around them.
  func applied(to ids: [Int32]) -> [Int32] {
    if self == .none { return ids }
    return parts.flatMap { part in
      switch part {
      case .special(let special): special
      case .text: ids
      }
    }
  }
}
