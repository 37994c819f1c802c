// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// Reads the `pre_tokenizer` of a `tokenizer.json`.
enum PreTokenizerReader {
  /// The pattern of ByteLevel itself: GPT-2's.
  static let wordPattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Splits, and ByteLevel as the last step; anything else is refused.
  static func read(_ node: JSONNode?) throws(TokenizationError) -> PreTokenizer {
    let path = node?.path ?? "pre_tokenizer"
    let steps = try node.map(steps) ?? []
    guard let last = steps.last, try last.required("type").string() == "ByteLevel" else {
      throw .unsupported(
        path: path, found: try steps.last?.required("type").string() ?? "null",
        supported: "a byte-level tokenizer, whose last pre-tokenizer is ByteLevel")
    }
    let addsPrefixSpace = try last.required("add_prefix_space").bool()
    let wordSplit =
      try last.bool("use_regex", else: true)
      ? try isolating(wordPattern, path: last.path) : nil
    return PreTokenizer(
      splits: try steps.dropLast().map(split), addsPrefixSpace: addsPrefixSpace,
      wordSplit: wordSplit)
  }

  /// The pattern of Llama 3, where `digits` match up to three, and of Qwen2, where they match one.
  static func wordPattern(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// The pre-tokenizer of GPT-2.
  static func gpt2(addsPrefixSpace: Bool) throws(TokenizationError) -> PreTokenizer {
    PreTokenizer(
      splits: [], addsPrefixSpace: addsPrefixSpace,
      wordSplit: try isolating(wordPattern, path: "pre_tokenizer"))
  }

  /// The pre-tokenizer of Llama 3 or Qwen2, as `digits` say.
  static func words(
    digits: String, addsPrefixSpace: Bool
  ) throws(TokenizationError) -> PreTokenizer {
    let split = try isolating(wordPattern(digits: digits), path: "pre_tokenizer")
    return PreTokenizer(splits: [split], addsPrefixSpace: addsPrefixSpace, wordSplit: nil)
  }

  private static func isolating(
    _ pattern: String, path: String
  ) throws(TokenizationError) -> PieceSplit {
    PieceSplit(
      delimiter: .pattern(try compiled(pattern, path: path)), behavior: .isolated,
      isInverted: false)
  }

  /// The steps of sequences within sequences, in order.
  private static func steps(_ node: JSONNode) throws(TokenizationError) -> [JSONNode] {
    guard try node.required("type").string() == "Sequence" else { return [node] }
    return try node.required("pretokenizers").elements().map(steps).flatMap { $0 }
  }

  private static func split(_ node: JSONNode) throws(TokenizationError) -> PieceSplit {
    let type = try node.required("type")
    switch try type.string() {
    case "Digits":
      let individual = try node.bool("individual_digits", else: false)
      return PieceSplit(
        delimiter: .pattern(try compiled(#"\p{N}"#, path: node.path)),
        behavior: individual ? .isolated : .contiguous, isInverted: false)
    case "Split":
      let behavior = try node.required("behavior")
      guard let known = PieceSplit.Behavior(rawValue: try behavior.string()) else {
        throw .unsupported(
          path: behavior.path, found: try behavior.string(),
          supported: PieceSplit.Behavior.allCases.map(\.rawValue).joined(separator: ", "))
      }
      return PieceSplit(
        delimiter: try delimiter(try node.required("pattern")), behavior: known,
        isInverted: try node.bool("invert", else: false))
    case let other:
      throw .unsupported(
        path: type.path, found: other, supported: "the pre-tokenizers Split, Digits, ByteLevel")
    }
  }

  private static func delimiter(
    _ node: JSONNode
  ) throws(TokenizationError) -> PieceSplit.Delimiter {
    if let regex = try node.optional("Regex") {
      return .pattern(try compiled(try regex.string(), path: regex.path))
    }
    let literal = try node.required("String")
    guard try literal.string() != "" else {
      throw .invalid(path: literal.path, problem: "is empty")
    }
    return .literal(Array(try literal.string().utf8))
  }

  private static func compiled(
    _ pattern: String, path: String
  ) throws(TokenizationError) -> Pattern {
    do throws(PatternRefusal) {
      return try Pattern(pattern)
    } catch {
      let start = pattern.prefix(80)
      throw .invalid(path: path, problem: "has the pattern '\(start)', which \(error.problem)")
    }
  }
}
