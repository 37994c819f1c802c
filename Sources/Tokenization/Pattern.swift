// SPDX-License-Identifier: Apache-2.0
internal import CPCRE2

/// A compiled regular expression over UTF-8.
///
/// The contract with PCRE2: `code` and `limits` are owned here, never change after `init`, and so
/// may be used by several threads at once, each with match data of its own; subjects are valid UTF-8.
final class Pattern: Sendable {
  private nonisolated(unsafe) let code: OpaquePointer
  private nonisolated(unsafe) let limits: OpaquePointer?

  /// No pattern in use takes more than a few steps for each character of a piece; the tokenizers
  /// library gives up after a million.
  private static let stepLimit: UInt32 = 10_000_000

  /// Compiles `source`, written in the dialect of the tokenizers library.
  ///
  /// - Throws: `PatternRefusal` for what the dialect has and this does not.
  init(_ source: String) throws(PatternRefusal) {
    let translated = try PatternTranslator.translate(source)
    var error: Int32 = 0
    var offset = 0
    let context = pcre2_compile_context_create_8(nil)
    defer { pcre2_compile_context_free_8(context) }
    pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    let code = Array(translated.utf8).withUnsafeBufferPointer {
      pcre2_compile_8(
        $0.baseAddress, $0.count, UInt32(PCRE2_UTF | PCRE2_UCP), &error, &offset, context)
    }
    guard let code else {
      throw PatternRefusal(problem: Self.message(error))
    }
    // Without a just-in-time compiler the interpreter gives the same matches, more slowly.
    pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
    self.code = code
    limits = pcre2_match_context_create_8(nil)
    pcre2_set_match_limit_8(limits, Self.stepLimit)
  }

  deinit {
    pcre2_match_context_free_8(limits)
    pcre2_code_free_8(code)
  }

  /// Calls `body` with each match in `subject`, from left to right, none overlapping another.
  ///
  /// - Precondition: `subject` is valid UTF-8.
  func forEachMatch(
    in subject: UnsafeBufferPointer<UInt8>, with matcher: Matcher, _ body: (Range<Int>) -> Void
  ) {
    var start = 0
    var lastEnd: Int?
    while start <= subject.count, let match = matcher.match(self, subject, from: start) {
      if match.isEmpty, match.lowerBound == lastEnd {
        // An empty match right after a match does not count; try again one character on.
        start = Self.nextCharacter(in: subject, after: start)
        continue
      }
      body(match)
      lastEnd = match.upperBound
      start = match.upperBound
    }
  }

  /// Room for one thread's matching.
  func makeMatcher() -> Matcher {
    Matcher(code)
  }

  private static func nextCharacter(
    in subject: UnsafeBufferPointer<UInt8>, after place: Int
  ) -> Int {
    var place = place + 1
    while place < subject.count, subject[place] & 0xC0 == 0x80 { place += 1 }
    return place
  }

  private static func message(_ error: Int32) -> String {
    var text = [UInt8](repeating: 0, count: 256)
    let count = pcre2_get_error_message_8(error, &text, text.count)
    return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
  }

  /// Room for one match: one thread's, for as long as it matches one pattern.
  final class Matcher {
    private let data: OpaquePointer?

    fileprivate init(_ code: OpaquePointer) {
      data = pcre2_match_data_create_from_pattern_8(code, nil)
    }

    deinit {
      pcre2_match_data_free_8(data)
    }

    /// The first match that begins at `start` or after it; nil if there is none, or none to be
    /// found within the limits, which only a pattern made for it can exceed.
    fileprivate func match(
      _ pattern: Pattern, _ subject: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> Range<Int>? {
      func matched(_ options: UInt32) -> Int32 {
        pcre2_match_8(
          pattern.code, subject.baseAddress, subject.count, start,
          UInt32(PCRE2_NO_UTF_CHECK) | options, data, pattern.limits)
      }
      var count = matched(0)
      // The compiled code has little stack; the interpreter takes its memory from the heap.
      if count == PCRE2_ERROR_JIT_STACKLIMIT { count = matched(UInt32(PCRE2_NO_JIT)) }
      guard count > 0, let ends = pcre2_get_ovector_pointer_8(data) else { return nil }
      return ends[0]..<ends[1]
    }
  }
}
