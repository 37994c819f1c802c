// SPDX-License-Identifier: Apache-2.0
internal import CPCRE2

/// A compiled regular expression over UTF-8.
///
/// The contract with PCRE2: `code` is owned here, never changes after compilation, and so may be
/// used by several threads at once, each with match data of its own; subjects are valid UTF-8.
final class Pattern: Sendable {
  private nonisolated(unsafe) let code: OpaquePointer

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
  }

  deinit {
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
    while start <= subject.count, let match = matcher.match(self.code, subject, from: start) {
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

  /// Match data, stack and limits: one thread's, for as long as it matches one pattern.
  final class Matcher {
    /// No pattern in use takes more than a few steps for each character of the text.
    private static let stepLimit: UInt32 = 1_000_000_000

    private let data: OpaquePointer?
    private let context: OpaquePointer?
    private let stack: OpaquePointer?

    fileprivate init(_ code: OpaquePointer) {
      data = pcre2_match_data_create_from_pattern_8(code, nil)
      context = pcre2_match_context_create_8(nil)
      stack = pcre2_jit_stack_create_8(32 << 10, 16 << 20, nil)
      pcre2_set_match_limit_8(context, Self.stepLimit)
      pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack))
    }

    deinit {
      pcre2_jit_stack_free_8(stack)
      pcre2_match_context_free_8(context)
      pcre2_match_data_free_8(data)
    }

    /// The first match that begins at `start` or after it; nil if there is none, or none to be
    /// found in `stepLimit` steps, which only a pattern made for it can need.
    fileprivate func match(
      _ code: OpaquePointer, _ subject: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> Range<Int>? {
      let options = UInt32(PCRE2_NO_UTF_CHECK)
      var count = pcre2_match_8(
        code, subject.baseAddress, subject.count, start, options, data, context)
      if count == PCRE2_ERROR_JIT_STACKLIMIT {
        count = pcre2_match_8(
          code, subject.baseAddress, subject.count, start, options | UInt32(PCRE2_NO_JIT), data,
          context)
      }
      guard count > 0, let ends = pcre2_get_ovector_pointer_8(data) else { return nil }
      return ends[0]..<ends[1]
    }
  }
}
