// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Randomness
import Testing

@testable import Training

struct TopicTaskTests {
  @Test func topicsAreBalancedAndHeldOutRowsAreNotLearnedFrom() throws {
    let task = try TopicTask(wordNet(), heldOutPerTopic: 5, seed: Seed(1))
    let training = Array(task.shares.joined())
    #expect(task.shares.count == 3)
    #expect(task.shares.allSatisfy { !$0.isEmpty })
    for topic in TopicTask.topics {
      #expect(task.heldOut.count { $0.label == topic.name } == 5)
      #expect(training.count { $0.label == topic.name } == 15)
    }
    #expect(Set(task.heldOut.map(\.text)).isDisjoint(with: training.map(\.text)))
    #expect(Set(training.map(\.text)).count == training.count)
  }

  @Test func labelsBelongToTheirDefinitions() throws {
    let task = try TopicTask(wordNet(), heldOutPerTopic: 5, seed: Seed(1))
    for row in task.heldOut + task.shares.joined() {
      #expect(row.text.hasPrefix("definition of \(row.label) "))
    }
  }

  @Test func aGivenCountIsShared() throws {
    let task = try TopicTask(
      wordNet(), heldOutPerTopic: 5, trainingCount: 30, workerCount: 4, seed: Seed(1))
    #expect(task.shares.map(\.count).reduce(0, +) == 30)
    #expect(task.shares.count == 4)
  }

  @Test func theSeedDecides() throws {
    let tasks = try [1, 1, 2].map { try TopicTask(wordNet(), heldOutPerTopic: 5, seed: Seed($0)) }
    #expect(tasks[0].shares == tasks[1].shares)
    #expect(tasks[0].heldOut == tasks[1].heldOut)
    #expect(tasks[0].shares != tasks[2].shares)
    #expect(tasks[0].heldOut != tasks[2].heldOut)
  }

  @Test func tooFewDefinitionsAreRefused() throws {
    #expect(throws: TrainingError.tooFewDefinitions(topic: "animal", count: 20, needed: 20)) {
      try TopicTask(wordNet(), heldOutPerTopic: 20, seed: Seed(1))
    }
  }

  @Test func writtenRowsAreReadBack() throws {
    let task = try TopicTask(wordNet(), heldOutPerTopic: 2, seed: Seed(1))
    let folder = FileManager.default.temporaryDirectory.path + "/" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try task.write(to: folder)
    let template = try DataTemplate(prompt: TopicTask.prompt, completion: TopicTask.completion)

    let heldOut = try DataFile(path: files.heldOut)
    #expect(
      heldOut.rows.map(\.text)
        == task.heldOut.map {
          .completion(" \($0.label)", prompt: "Definition: \($0.text)\nCategory:")
        })
    #expect(heldOut.rows.allSatisfy { $0.choices?.count == 8 })
    #expect(try DataFile(path: files.heldOut, template: template).rows == heldOut.rows)
    for (share, path) in zip(task.shares, files.shares) {
      let rows = try DataFile(path: path, template: template).rows
      #expect(
        rows.map(\.text)
          == share.map {
            .completion(" \($0.label)", prompt: "Definition: \($0.text)\nCategory:")
          })
    }
  }

  @Test func aFolderThatIsNotThereIsNamed() throws {
    let task = try TopicTask(wordNet(), heldOutPerTopic: 2, seed: Seed(1))
    #expect(throws: TrainingError.self) { try task.write(to: "/nowhere") }
  }

  /// Twenty definitions of each topic, one more that occurs in two topics, and other topics.
  private func wordNet() throws -> WordNet {
    var lines: [String] = []
    for topic in TopicTask.topics + [(name: "act", file: 4)] {
      let file = topic.file < 10 ? "0\(topic.file)" : "\(topic.file)"
      for index in 0..<20 {
        lines.append("00000001 \(file) n 01 w 0 000 | definition of \(topic.name) \(index); \"x\"")
      }
      lines.append("00000001 \(file) n 01 w 0 000 | definition of animal 3")
    }
    return try WordNet(bytes: Array(lines.joined(separator: "\n").utf8), name: "nouns")
  }
}
