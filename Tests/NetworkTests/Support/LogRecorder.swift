// SPDX-License-Identifier: Apache-2.0
import Logging
import Synchronization

/// Keeps what is logged, and lets a test wait for a line.
final class LogRecorder: Sendable {
  private let lines = Mutex<[String]>([])
  private let arrivals: AsyncStream<String>
  private let entrance: AsyncStream<String>.Continuation

  init() { (arrivals, entrance) = AsyncStream.makeStream() }

  /// A logger whose lines go here, as "message key=value ...".
  var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

  var all: [String] { lines.withLock { $0 } }

  /// The first line, past or future, that holds all of `words`; the time limit of the test ends
  /// the wait.
  func line(with words: String...) async -> String? {
    let isWanted = { (line: String) in words.allSatisfy { line.contains($0) } }
    if let line = all.first(where: isWanted) { return line }
    for await line in arrivals where isWanted(line) { return line }
    return nil
  }

  private func record(_ line: String) {
    lines.withLock { $0.append(line) }
    entrance.yield(line)
  }

  private struct Handler: LogHandler {
    let recorder: LogRecorder
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let all = metadata.merging(event.metadata ?? [:]) { $1 }
      let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
      recorder.record("\(event.message)\(pairs.joined())")
    }
  }
}
