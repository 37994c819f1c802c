// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Foundation
internal import Synchronization

/// A run's events as JSON lines, each with its time.
final class MetricsFile: Sendable {
  private struct Line: Codable {
    let time: Date
    let event: RunEvent
  }

  private let handle: Mutex<FileHandle>

  /// Appends to the file at `path`, which is made when it does not exist.
  init(path: String) throws {
    if !FileManager.default.fileExists(atPath: path) {
      guard FileManager.default.createFile(atPath: path, contents: nil) else {
        throw InputError("cannot write \(path); make its folder writable")
      }
    }
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.seekToEnd()
    self.handle = Mutex(handle)
  }

  func append(_ event: RunEvent) {
    do {
      let line = Data(try (json(Line(time: Date(), event: event)) + "\n").utf8)
      try handle.withLock { try $0.write(contentsOf: line) }
    } catch {
      // A run does not end for its metrics: what must be written is the journal.
      printError("warning: a line of the metrics is lost: \(error)")
    }
  }

  /// The events in the file at `path`, in order.
  static func events(at path: String) throws -> [RunEvent] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw InputError("cannot read the metrics in \(path)")
    }
    do {
      return try text.split(separator: "\n").map {
        try decode(Line.self, from: Data($0.utf8)).event
      }
    } catch {
      throw InputError("the metrics in \(path) are damaged; remove that file")
    }
  }
}
