// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
public import Randomness

/// The demo's task: to tell which of eight topics a definition of WordNet belongs to.
public struct TopicTask: Sendable {
  /// A definition and the name of its topic.
  public struct Row: Hashable, Sendable {
    /// The definition.
    public let text: String
    /// The topic's name, as `animal`.
    public let label: String
  }

  /// Rows to measure by, equally many of each topic, none of them in `shares`.
  public let heldOut: [Row]
  /// Rows to learn from, for each worker its own.
  public let shares: [[Row]]

  /// The prompt of a row, as a template.
  public static let prompt = "Definition: {text}\nCategory:"
  /// The completion of a row, as a template.
  public static let completion = " {label}"

  /// The topics' names, by WordNet's lexicographer files (lexnames(5WN)).
  public static let topics: [(name: String, file: Int)] = [
    ("animal", 5), ("body", 8), ("feeling", 12), ("food", 13), ("object", 6), ("person", 18),
    ("place", 15), ("plant", 20),
  ]

  /// Draws equally many definitions of each topic, holds some out, and shares out the rest.
  ///
  /// A text that occurs more than once in WordNet counts once, so that no held-out row is learned
  /// from. The shares follow a Dirichlet distribution over the topics.
  ///
  /// - Parameter trainingCount: how many rows to share; nil for all that are left.
  public init(
    _ wordNet: WordNet, heldOutPerTopic: Int = 50, trainingCount: Int? = nil,
    workerCount: Int = 3, alpha: Double = 0.5, seed: Seed
  ) throws(TrainingError) {
    let topics = Self.rowsByTopic(wordNet, seed: seed)
    let perTopic = topics.map(\.count).min() ?? 0
    for (topic, rows) in zip(Self.topics, topics) where rows.count <= heldOutPerTopic {
      throw .tooFewDefinitions(topic: topic.name, count: rows.count, needed: heldOutPerTopic)
    }
    var heldOut = topics.flatMap { $0[..<heldOutPerTopic] }
    var training = topics.flatMap { $0[heldOutPerTopic..<perTopic] }
    var stream = RandomStream(seed.derived("topic rows"))
    stream.shuffle(&heldOut)
    stream.shuffle(&training)
    if let trainingCount { training = Array(training.prefix(trainingCount)) }
    self.heldOut = heldOut
    shares = try Partition.dirichlet(
      labels: training.map(\.label), workerCount: workerCount, alpha: alpha,
      seed: seed.derived("topic shares")
    ).map { share in share.map { training[$0] } }
  }

  /// The definitions of each topic in random order, no text twice.
  private static func rowsByTopic(_ wordNet: WordNet, seed: Seed) -> [[Row]] {
    var places: [Int: Int] = [:]
    for (place, topic) in topics.enumerated() { places[topic.file] = place }
    var rows = topics.map { _ in [Row]() }
    var seen: Set<String> = []
    for definition in wordNet.definitions {
      guard let place = places[definition.topic], seen.insert(definition.text).inserted else {
        continue
      }
      rows[place].append(Row(text: definition.text, label: topics[place].name))
    }
    for place in rows.indices {
      var stream = RandomStream(seed.derived("topic", UInt64(place)))
      stream.shuffle(&rows[place])
    }
    return rows
  }
}

extension TopicTask {
  /// Where `write` put the rows.
  public struct Files: Sendable {
    /// The held-out rows: `prompt`, `completion` and `choices`.
    public let heldOut: String
    /// Each worker's rows: `text` and `label`.
    public let shares: [String]
  }

  /// Writes `held-out.jsonl` and `worker-1.jsonl`, `worker-2.jsonl` and so on into `folder`.
  ///
  /// The workers' rows have `text` and `label`, for the template of `prompt` and `completion`;
  /// the held-out ones have both and `choices`, for evaluation with the template or without it.
  public func write(to folder: String) throws(TrainingError) -> Files {
    let choices = Self.topics.map { " " + $0.name }
    let heldOutPath = folder + "/held-out.jsonl"
    try write(
      heldOut.map { row in
        Line(
          text: row.text, label: row.label, prompt: "Definition: \(row.text)\nCategory:",
          completion: " " + row.label, choices: choices)
      }, to: heldOutPath)
    var paths: [String] = []
    for (index, share) in shares.enumerated() {
      paths.append("\(folder)/worker-\(index + 1).jsonl")
      try write(share.map { Line(text: $0.text, label: $0.label) }, to: paths[index])
    }
    return Files(heldOut: heldOutPath, shares: paths)
  }

  private struct Line: Encodable {
    var text: String
    var label: String
    var prompt: String?
    var completion: String?
    var choices: [String]?
  }

  private func write(_ lines: [Line], to path: String) throws(TrainingError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      var data = Data()
      for line in lines {
        data += try encoder.encode(line)
        data.append(0x0A)
      }
      try data.write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw .unusableFile(path: path, reason: "cannot be written: \(reason(of: error))")
    }
  }
}
