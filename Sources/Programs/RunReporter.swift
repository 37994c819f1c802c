// SPDX-License-Identifier: Apache-2.0
public import Federation
internal import Foundation
internal import Glibc
public import Rounds
internal import Synchronization

/// Shows a run to whoever watches: a bar on a terminal, plain lines elsewhere, and every event
/// as a JSON line in the run's folder.
public final class RunReporter: Sendable {
  private struct State {
    var summary = RunTally()
    var isBarShown = false
    var lastStatus = ContinuousClock.now
    var lastPlainStatus = ""
    var isOver = false
  }

  private let state = Mutex(State())
  private let metrics: MetricsFile?
  private let isTerminal: Bool

  /// A reporter that appends metrics to the file at `metricsPath`, if there is one.
  public init(metricsPath: String?) throws {
    metrics = try metricsPath.map { try MetricsFile(path: $0) }
    isTerminal = isatty(STDOUT_FILENO) == 1
  }

  /// What the run has come to so far.
  public var summary: RunTally { state.withLock { $0.summary } }

  /// Takes one event.
  public func observe(_ event: RunEvent) {
    metrics?.append(event)
    state.withLock { state in
      state.summary.note(event)
      if case .finished = event { state.isOver = true }
      // That workers leave when the run is over goes without saying.
      if case .left = event, state.isOver { return }
      if let line = line(for: event, state.summary) {
        clearBar(&state)
        print(line)
        flush()
      }
    }
  }

  /// Shows who is awaited and until when; call it a few times a second.
  ///
  /// - Parameter measuring: the version that is being measured, if any.
  public func show(
    _ status: RoundStatus, activities: [WorkerID: String], measuring: Int?, at now: RunTime
  ) {
    state.withLock { state in
      let steps = activities.sorted { $0.key < $1.key }.map { "\($0.key) at \($0.value)" }
      let measure = measuring.map { ["measuring version \($0)"] } ?? []
      let parts = state.isOver ? measure : [status.line(at: now)] + steps + measure
      guard !parts.isEmpty else { return }
      let text = parts.joined(separator: ", ")
      if isTerminal {
        clearBar(&state)
        print(fitting(state.summary.bar))
        print(fitting(text), terminator: "")
        state.isBarShown = true
        flush()
      } else if text != state.lastPlainStatus, .now - state.lastStatus > plainStatusInterval {
        state.lastStatus = .now
        state.lastPlainStatus = text
        print(text)
        flush()
      }
    }
  }

  /// As much of a line as the terminal is wide: a longer one could not be cleared.
  private func fitting(_ line: String) -> String {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return line }
    return String(line.prefix(Int(size.ws_col) - 1))
  }

  /// Removes the bar.
  public func finish() {
    state.withLock { clearBar(&$0) }
  }

  private func clearBar(_ state: inout State) {
    guard state.isBarShown else { return }
    // The line with who is awaited, then the bar above it.
    print("\r\u{1B}[K\u{1B}[A\u{1B}[K", terminator: "")
    state.isBarShown = false
  }

  private func flush() { fflush(nil) }
}

/// How often a run that waits says so where there is no terminal.
private let plainStatusInterval = Duration.seconds(10)
