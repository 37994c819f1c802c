// SPDX-License-Identifier: Apache-2.0

/// Gathers the tokens that are found in text before it is cut up.
struct AddedTokenReader {
  /// A token and how it is found, as a file says it.
  struct Entry {
    var id: Int
    var content: String
    var isSingleWord = false
    var stripsLeft = false
    var stripsRight = false
    var isNormalized = false
    var isSpecial = false
  }

  /// The model's tokens and the added ones.
  private(set) var vocabulary: Vocabulary
  private(set) var specialIDs: Set<Int32> = []
  private let normalizer: Normalizer
  private var entries: [Entry] = []
  private var ids: Set<Int> = []

  /// Tokens to be added to those of a model.
  init(vocabulary: Vocabulary, normalizer: Normalizer) {
    self.vocabulary = vocabulary
    self.normalizer = normalizer
  }

  /// Adds a token, which may be one of the model's too.
  mutating func add(_ entry: Entry, path: String) throws(TokenizationError) {
    guard !entry.content.isEmpty else { return }
    guard ids.insert(entry.id).inserted else {
      throw .invalid(path: path, problem: "gives the id \(entry.id) a second time")
    }
    if let known = vocabulary.id(of: entry.content) {
      guard known == entry.id else {
        throw .invalid(
          path: path,
          problem: "gives '\(entry.content)' the id \(entry.id), but it has \(known) already")
      }
    } else {
      do throws(Vocabulary.Refusal) {
        // A token that is found in normalized text is normalized itself, in decoding, too.
        try vocabulary.insert(
          entry.isNormalized ? normalizer.normalized(entry.content) : entry.content, id: entry.id)
      } catch {
        let problem = ModelReader.problem(error, token: entry.content, id: entry.id)
        throw .invalid(path: path, problem: problem)
      }
    }
    if entry.isSpecial { specialIDs.insert(Int32(entry.id)) }
    entries.append(entry)
  }

  /// The tokens to be found in text as it is, or in normalized text.
  ///
  /// Special tokens come first: of two that normalize to the same text, the first counts.
  func tokens(normalized: Bool) -> [AddedToken] {
    let ordered = entries.filter(\.isSpecial) + entries.filter { !$0.isSpecial }
    return ordered.filter { $0.isNormalized == normalized }.map { entry in
      AddedToken(
        id: Int32(entry.id),
        content: normalized ? normalizer.normalized(entry.content) : entry.content,
        isSingleWord: entry.isSingleWord, stripsLeft: entry.stripsLeft,
        stripsRight: entry.stripsRight)
    }
  }
}
