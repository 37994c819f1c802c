// SPDX-License-Identifier: Apache-2.0
import Federation
import Foundation
import Rounds
import RunFiles
import Testing
import Training

@testable import Programs

/// What the demo prepares, on made-up definitions.
@Suite struct DemoSiteTests {
  /// Calls `body` with the path of definitions that every topic has enough of, and a folder that is
  /// not there yet.
  private func withDefinitions(_ body: (_ wordnet: String, _ folder: String) throws -> Void) throws
  {
    let root = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID())")
    try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: root) }
    let lines = TopicTask.topics.flatMap { topic in
      (0..<100).map { number in
        let file = topic.file < 10 ? "0\(topic.file)" : "\(topic.file)"
        return "00000001 \(file) n 01 w 0 000 | definition of \(topic.name) \(number)"
      }
    }
    let wordnet = root.appending(path: "data.noun")
    try Data(lines.joined(separator: "\n").utf8).write(to: wordnet)
    try body(wordnet.path, root.appending(path: "demo").path)
  }

  @Test(arguments: [
    (TrainingMethod.gradient, nil, 3), (.zerothOrder, nil, 4), (.gradient, 5, 5),
    (.zerothOrder, 1, 1),
  ])
  func theRunFileHoldsTheMethodAndAllWorkers(
    method: TrainingMethod, given: Int?, expected: Int
  ) throws {
    try withDefinitions { wordnet, folder in
      let site = try DemoSite(
        folder: folder, model: wordnet, wordnet: wordnet, method: method, workerCount: given)
      #expect(site.workerCount == expected)
      let file = try RunFile(path: site.runFile, overrides: [])
      #expect(file.workers.count == expected)
      #expect(file.plan.rounds.cohortSize == expected)
      #expect(file.plan.training.isBySteps == (method == .zerothOrder))
      #expect((file.plan.training.gradient == nil) == (method == .zerothOrder))
      for worker in file.workers {
        let rows = try String(contentsOfFile: worker.data, encoding: .utf8).split(separator: "\n")
        #expect(!rows.isEmpty)
      }
    }
  }

  @Test func aFolderThatIsThereIsLeftAlone() throws {
    try withDefinitions { wordnet, folder in
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: false)
      #expect(throws: InputError.self) {
        try DemoSite(folder: folder, model: wordnet, wordnet: wordnet, method: .gradient)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }

  @Test func aKeyThatTheRunFileDoesNotTakeLeavesNothingBehind() throws {
    try withDefinitions { wordnet, folder in
      #expect(throws: RunFileError.self) {
        try DemoSite(
          folder: folder, model: wordnet, wordnet: wordnet, method: .gradient,
          overrides: ["training.compute=f32"])
      }
      #expect(!FileManager.default.fileExists(atPath: folder))
    }
  }
}
