// SPDX-License-Identifier: Apache-2.0
internal import Yams

/// One mapping of a run file, which knows its place and refuses keys that mean nothing.
struct Section {
  /// The keys that lead here, as `training.schedule`; empty for the file itself.
  let path: String
  private let values: [String: Node]

  /// A section with the keys in `known` and no others.
  init(_ node: Node?, path: String, known: [String]) throws(RunFileError) {
    self.path = path
    guard let node, !node.isNull else {
      values = [:]
      return
    }
    guard let mapping = node.mapping else {
      throw .badValue(
        key: path, value: node.scalar?.string ?? "a list", expected: "keys and values")
    }
    var values: [String: Node] = [:]
    for (key, value) in mapping {
      let name = key.scalar?.string ?? ""
      guard known.contains(name) else {
        throw .unknownKey(
          join(path, name), nearest: nearest(to: name, in: known).map { join(path, $0) },
          known: known)
      }
      values[name] = value
    }
    self.values = values
  }

  func name(of key: String) -> String { join(path, key) }

  func section(_ key: String, known: [String]) throws(RunFileError) -> Section {
    try Section(values[key], path: name(of: key), known: known)
  }

  func has(_ key: String) -> Bool { values[key].map { !$0.isNull } ?? false }

  func list(_ key: String) throws(RunFileError) -> [Node] {
    guard let node = values[key], !node.isNull else { return [] }
    guard let sequence = node.sequence else {
      throw .badValue(key: name(of: key), value: text(of: node), expected: "a list")
    }
    return Array(sequence)
  }

  func string(_ key: String) throws(RunFileError) -> String? {
    guard let node = values[key], !node.isNull else { return nil }
    guard let scalar = node.scalar else {
      throw .badValue(key: name(of: key), value: text(of: node), expected: "a text")
    }
    return scalar.string
  }

  func strings(_ key: String) throws(RunFileError) -> [String]? {
    guard has(key) else { return nil }
    var strings: [String] = []
    for node in try list(key) {
      guard let scalar = node.scalar else {
        throw .badValue(key: name(of: key), value: text(of: node), expected: "a list of texts")
      }
      strings.append(scalar.string)
    }
    return strings
  }

  func required(_ key: String, _ meaning: String) throws(RunFileError) -> String {
    guard let value = try string(key) else { throw .missingKey(name(of: key), meaning: meaning) }
    return value
  }

  func integer(
    _ key: String, _ standard: Int, in range: ClosedRange<Int>
  ) throws(RunFileError) -> Int {
    guard let text = try string(key) else { return standard }
    guard let value = Int(text), range.contains(value) else {
      throw .badValue(
        key: name(of: key), value: text,
        expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func number(
    _ key: String, _ standard: Double, in range: ClosedRange<Double>
  ) throws(RunFileError) -> Double {
    guard let text = try string(key) else { return standard }
    guard let value = Double(text), range.contains(value) else {
      throw .badValue(
        key: name(of: key), value: text,
        expected: "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// A time such as `500ms`, `90s`, `10m` or `2h`.
  func duration(_ key: String, _ standard: Duration) throws(RunFileError) -> Duration {
    guard let text = try string(key) else { return standard }
    guard let duration = Duration(text: text) else {
      throw .badValue(
        key: name(of: key), value: text, expected: "a time such as 500ms, 90s, 10m or 2h")
    }
    return duration
  }

  /// A number of bytes such as `600MB` or `2GiB`; nil when there is none.
  func byteCount(_ key: String) throws(RunFileError) -> Int? {
    guard let text = try string(key) else { return nil }
    guard let size = ByteSize(text) else {
      throw .badValue(key: name(of: key), value: text, expected: "a size such as 600MB or 2GiB")
    }
    return size.byteCount
  }

  /// One of a few words.
  func choice<Value>(
    _ key: String, _ standard: Value, from choices: [(String, Value)]
  ) throws(RunFileError) -> Value {
    guard let text = try string(key) else { return standard }
    guard let choice = choices.first(where: { $0.0 == text }) else {
      throw .badValue(
        key: name(of: key), value: text,
        expected: choices.map(\.0).joined(separator: " or "))
    }
    return choice.1
  }
}

/// How a value reads in an error.
private func text(of node: Node) -> String {
  switch node {
  case .scalar(let scalar): scalar.string
  case .mapping: "keys and values"
  case .sequence: "a list"
  case .alias: "an alias"
  }
}

extension Node {
  fileprivate var isNull: Bool { scalar.map { $0.string.isEmpty || $0.string == "null" } ?? false }
}

/// Joins the keys that lead somewhere.
func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

/// The known key that differs least from `name`, if it differs in less than half of its letters.
func nearest(to name: String, in known: [String]) -> String? {
  let ranked = known.map { (distance: editDistance(name, $0), key: $0) }
  let best = ranked.min { ($0.distance, $0.key) < ($1.distance, $1.key) }
  guard let best, best.distance * 2 <= max(name.count, 2) else { return nil }
  return best.key
}

/// Levenshtein's distance: insertions, deletions and replacements of one letter.
private func editDistance(_ left: String, _ right: String) -> Int {
  let right = Array(right)
  var row = Array(0...right.count)
  for (i, letter) in left.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, other) in right.enumerated() {
      let replaced = diagonal + (letter == other ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
    }
  }
  return row[right.count]
}
