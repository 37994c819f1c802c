// SPDX-License-Identifier: Apache-2.0

/// What can be wrong with a tokenizer's description.
///
/// Paths name a place in `tokenizer.json` ("model.merges[3]") or a GGUF key ("tokenizer.ggml.pre").
public enum TokenizationError: Error, Equatable, Sendable {
  /// The bytes are not JSON.
  case malformedJSON(offset: Int, problem: String)
  /// A key that must be there is not.
  case missing(path: String)
  /// A value is of another type than its key calls for.
  case wrongType(path: String, expected: String)
  /// A kind of tokenizer, or a part of one, that this module does not implement.
  case unsupported(path: String, found: String, supported: String)
  /// A value of the right type that cannot be right.
  case invalid(path: String, problem: String)
}

extension TokenizationError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    // Names come from the file, and may hold anything.
    let isControl: (Character) -> Bool = { $0.unicodeScalars.contains { $0.value < 0x20 } }
    return String(message.map { isControl($0) ? "\u{FFFD}" : $0 })
  }

  private var message: String {
    switch self {
    case .malformedJSON(let offset, let problem):
      "tokenizer.json: \(problem) at byte \(offset); is the file complete?"
    case .missing(let path):
      "tokenizer: \(path) is missing; is this the tokenizer of a byte-level BPE model?"
    case .wrongType(let path, let expected):
      "tokenizer: \(path) must be \(expected)"
    case .unsupported(let path, let found, let supported):
      "tokenizer: \(path) is '\(found)', which is not supported; use a model with \(supported)"
    case .invalid(let path, let problem):
      "tokenizer: \(path) \(problem)"
    }
  }
}
