// SPDX-License-Identifier: Apache-2.0
internal import CPCRE2

/// A regular expression over names of modules, as an `adapter_config.json` has them.
///
/// Both the pattern and the names come from a stranger's files, and some patterns take exponential
/// time: matching is bounded, and a pattern that needs more is refused.
///
/// The contract with PCRE2: `code` and `limits` are owned here and never change after `init`, so
/// several threads may match at once; names are valid UTF-8.
final class ModulePattern: Sendable {
  /// Why a pattern is of no use.
  enum Fault: Error {
    case malformed
    case tooSlow
  }

  /// Far more than names of a hundred letters need for any pattern that was not made to be slow.
  private static let stepLimit: UInt32 = 100_000
  private static let byteLimit = 1000

  private nonisolated(unsafe) let code: OpaquePointer
  private nonisolated(unsafe) let limits: OpaquePointer?

  /// Compiles `source`.
  init(_ source: String) throws(Fault) {
    guard source.utf8.count <= Self.byteLimit else { throw .malformed }
    var error: Int32 = 0
    var offset = 0
    let code = Array(source.utf8).withUnsafeBufferPointer {
      pcre2_compile_8(
        $0.baseAddress, $0.count, UInt32(PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C), &error, &offset, nil)
    }
    guard let code else { throw .malformed }
    self.code = code
    limits = pcre2_match_context_create_8(nil)
    pcre2_set_match_limit_8(limits, Self.stepLimit)
    pcre2_set_depth_limit_8(limits, Self.stepLimit)
  }

  deinit {
    pcre2_match_context_free_8(limits)
    pcre2_code_free_8(code)
  }

  /// Whether the pattern describes all of `name`.
  func matches(_ name: String) throws(Fault) -> Bool {
    let data = pcre2_match_data_create_8(1, nil)
    defer { pcre2_match_data_free_8(data) }
    let result = Array(name.utf8).withUnsafeBufferPointer {
      pcre2_match_8(
        code, $0.baseAddress, $0.count, 0, UInt32(PCRE2_ANCHORED | PCRE2_ENDANCHORED), data, limits)
    }
    guard result != PCRE2_ERROR_NOMATCH else { return false }
    // Zero is a match with more groups than there was room for.
    guard result >= 0 else { throw .tooSlow }
    return true
  }
}
