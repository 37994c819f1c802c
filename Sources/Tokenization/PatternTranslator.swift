// SPDX-License-Identifier: Apache-2.0

/// Why a pattern was not taken.
struct PatternRefusal: Error, Equatable {
  let problem: String
}

/// Turns a pattern of the tokenizers library, which matches with Oniguruma (Ruby's dialect), into
/// one that PCRE2 matches alike.
///
/// What both read alike is passed on, white space is made Unicode's (PCRE2's would take in U+180E),
/// and everything else is refused: what they read differently ("^", "\h", "\w", classes inside
/// classes, "{,3}"), and repeated groups, whose cost can be exponential in the text's length.
struct PatternTranslator {
  /// Longer patterns are refused.
  static let maximumLength = 8192

  private let characters: [Unicode.Scalar]
  private var position = 0
  private var result = ""
  /// For each open group, what follows its "(": "?i:", or nothing if it captures.
  private var groups: [String] = []
  /// What the last item was, for the quantifier that may follow it.
  private var last = Item.nothing

  private enum Item {
    case nothing
    case single
    case group
    case assertion
  }

  /// The pattern in PCRE2's dialect.
  static func translate(_ pattern: String) throws(PatternRefusal) -> String {
    var translator = PatternTranslator(characters: Array(pattern.unicodeScalars))
    guard translator.characters.count <= maximumLength else {
      throw PatternRefusal(problem: "is longer than \(maximumLength) characters")
    }
    while let character = translator.next() { try translator.item(character) }
    guard translator.groups.isEmpty else { throw PatternRefusal(problem: "leaves a '(' open") }
    return translator.result
  }

  private init(characters: [Unicode.Scalar]) {
    self.characters = characters
  }

  private mutating func item(_ character: Unicode.Scalar) throws(PatternRefusal) {
    switch character {
    case "(": try openGroup()
    case ")": try closeGroup()
    case "[": try characterClass()
    case "*", "+", "?": try quantifier(character)
    case "{": try counted()
    case "\\":
      result += try escape()
      last = .single
    case "|":
      result += "|"
      last = .nothing
    case "^", "$": throw PatternRefusal(problem: "has the anchor '\(character)'")
    case "]", "}": throw PatternRefusal(problem: "has a '\(character)' that closes nothing")
    default:
      try refuseFolding(of: character)
      result.unicodeScalars.append(character)
      last = .single
    }
  }

  /// Oniguruma lets "ss" match "ß" where case does not count, and the like; PCRE2 does not.
  private func refuseFolding(of character: Unicode.Scalar) throws(PatternRefusal) {
    guard groups.contains("?i:"), let following = peek() else { return }
    let pair = "\(character)\(following)".lowercased()
    if !character.isASCII || Self.foldingPairs.contains(pair) {
      throw PatternRefusal(problem: "has '\(pair)' where case does not count")
    }
  }

  private mutating func openGroup() throws(PatternRefusal) {
    guard groups.count < 32 else { throw PatternRefusal(problem: "has groups too deep") }
    result += "("
    last = .nothing
    guard peek() == "?" else {
      groups.append("")
      return
    }
    for opening in ["?:", "?=", "?!", "?<=", "?<!", "?>", "?i:"] where take(opening) {
      result += opening
      groups.append(opening)
      return
    }
    throw PatternRefusal(problem: "has a group other than (?: (?= (?! (?<= (?<! (?> (?i:")
  }

  private mutating func closeGroup() throws(PatternRefusal) {
    guard let opening = groups.popLast() else {
      throw PatternRefusal(problem: "has a ')' that closes nothing")
    }
    result += ")"
    last = opening.hasSuffix("=") || opening.hasSuffix("!") ? .assertion : .group
  }

  private mutating func quantifier(_ character: Unicode.Scalar) throws(PatternRefusal) {
    try allowRepeat(isOption: character == "?")
    result.unicodeScalars.append(character)
    if let modifier = peek(), modifier == "+" || modifier == "?" {
      position += 1
      result.unicodeScalars.append(modifier)
    }
    last = .nothing
  }

  private mutating func counted() throws(PatternRefusal) {
    try allowRepeat(isOption: false)
    var digits = ""
    while let character = peek(), character != "}" {
      digits.unicodeScalars.append(character)
      position += 1
    }
    guard take("}"), Self.isCount(digits) else {
      throw PatternRefusal(problem: "has a '{' that is not {n}, {n,} or {n,m}")
    }
    if let following = peek(), following == "+" || following == "?" || following == "*" {
      throw PatternRefusal(problem: "has '\(following)' after '}'")
    }
    result += "{\(digits)}"
    last = .nothing
  }

  private func allowRepeat(isOption: Bool) throws(PatternRefusal) {
    switch last {
    case .single: return
    case .group where isOption: return
    case .group: throw PatternRefusal(problem: "repeats a group")
    case .assertion: throw PatternRefusal(problem: "repeats an assertion")
    case .nothing: throw PatternRefusal(problem: "repeats nothing at character \(position)")
    }
  }

  private static func isCount(_ text: String) -> Bool {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let areDigits = parts.allSatisfy { $0.utf8.allSatisfy { 0x30...0x39 ~= $0 } && $0.count < 5 }
    return parts.count <= 2 && areDigits && !(parts.first?.isEmpty ?? true)
  }

  private mutating func characterClass() throws(PatternRefusal) {
    result += "["
    if take("^") { result += "^" }
    if peek() == "]" { throw PatternRefusal(problem: "has an empty class") }
    while let character = next() {
      switch character {
      case "]":
        result += "]"
        last = .single
        return
      case "[": throw PatternRefusal(problem: "has a class inside a class")
      case "&" where peek() == "&": throw PatternRefusal(problem: "has '&&' inside a class")
      case "\\": result += try escape()
      default: result.unicodeScalars.append(character)
      }
    }
    throw PatternRefusal(problem: "leaves a '[' open")
  }

  /// What follows a backslash, in PCRE2's dialect.
  private mutating func escape() throws(PatternRefusal) -> String {
    guard let character = next() else { throw PatternRefusal(problem: "ends in a backslash") }
    switch character {
    case "s": return "\\p{White_Space}"
    case "S": return "\\P{White_Space}"
    case "d", "D", "n", "r", "t": return "\\\(character)"
    case "p", "P": return "\\\(character)" + (try property())
    case "a"..."z", "A"..."Z", "0"..."9":
      throw PatternRefusal(problem: "has the escape '\\\(character)'")
    default:
      guard character.isASCII else { return String(character) }
      return "\\\(character)"
    }
  }

  /// A general category: "{L}", "{Lu}".
  private mutating func property() throws(PatternRefusal) -> String {
    var name = ""
    guard take("{") else { throw PatternRefusal(problem: "has \\p without a name") }
    while let character = next(), character != "}" { name.unicodeScalars.append(character) }
    guard Self.categories.contains(name) else {
      throw PatternRefusal(problem: "has the property '\(name)'")
    }
    return "{\(name)}"
  }

  private mutating func next() -> Unicode.Scalar? {
    defer { position += 1 }
    return peek()
  }

  private func peek() -> Unicode.Scalar? {
    position < characters.count ? characters[position] : nil
  }

  private mutating func take(_ text: String) -> Bool {
    let scalars = Array(text.unicodeScalars)
    guard characters[min(position, characters.count)...].starts(with: scalars) else {
      return false
    }
    position += scalars.count
    return true
  }

  private static let foldingPairs: Set<String> = ["ss", "ff", "fi", "fl", "st"]

  private static let categories: Set<String> = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No",
    "P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So",
    "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Co",
  ]
}
