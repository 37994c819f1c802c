// SPDX-License-Identifier: Apache-2.0
import Digests
import Foundation
import Rounds
import RunFiles
import Testing

@testable import Programs

/// Which workers evaluate one sign each, as a run file tells before anything starts.
@Suite struct StepGroupTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID())")

  private func withFiles(_ texts: [String: String], _ body: () throws -> Void) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for (name, text) in texts {
      try text.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
    }
    try body()
  }

  private func file(
    parallel: String, workerCount: Int, _ workers: [(String, String)]
  ) throws -> RunFile {
    try RunFile(
      yaml: """
        run: pairs
        model: none
        training: {method: zeroth-order, parallel: \(parallel)}
        rounds: {workers: \(workerCount)}
        workers: [\(workers.map { "{name: \($0.0), data: \($0.1)}" }.joined(separator: ", "))]
        """, path: "run.yaml", folder: folder.path)
  }

  @Test func filesOfTheSameBytesArePairedWhateverTheyAreCalled() throws {
    try withFiles(["x": "same", "y": "same", "z": "other"]) {
      let four = [("d", "x"), ("c", "z"), ("b", "y"), ("a", "x")]
      let split = try file(parallel: "signs", workerCount: 4, four)
      #expect(try split.signPairs()?.map { $0.map(\.rawValue) } == [["a", "b"]])
      #expect(try split.stepGroupCount() == 3)
      let larger = try file(parallel: "signs", workerCount: 9, four)
      #expect(try larger.stepGroupCount() == 8)
      let single = try file(parallel: "signs", workerCount: 1, [])
      #expect(try single.signPairs() == [] && single.stepGroupCount() == 1)
      for (parallel, count) in [("perturbations", 4), ("both", 2), ("data", 1)] {
        let other = try file(parallel: parallel, workerCount: 4, four)
        #expect(try other.signPairs() == nil && other.stepGroupCount() == count)
      }
    }
  }

  @Test func theDigestOfAFileIsThatOfItsBytes() throws {
    try withFiles(["x": "{}", "y": String(repeating: "0123456789", count: 300_000)]) {
      let path = folder.path
      #expect(try digestOfFile(at: path + "/x") == Digest(of: Array("{}".utf8)))
      let long = try [UInt8](Data(contentsOf: folder.appending(path: "y")))
      #expect(try digestOfFile(at: path + "/y") == Digest(of: long))
      try FileManager.default.createSymbolicLink(
        atPath: path + "/z", withDestinationPath: path + "/x")
      #expect(try digestOfFile(at: path + "/z") == digestOfFile(at: path + "/x"))
      // What can be read only once must not be read for this.
      #expect(try digestOfFile(at: "/dev/null") == nil)
      #expect(throws: InputError.self) { try digestOfFile(at: path + "/nothing") }
    }
  }
}
