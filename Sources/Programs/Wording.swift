// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Foundation
public import Rounds

/// `value` with a fixed number of decimals.
public func fixed(_ value: Double, _ decimals: Int) -> String {
  String(format: "%.\(decimals)f", value)
}

/// A number of bytes, as people read it: 1 kB is 1,000 bytes.
public func byteText(_ count: Int) -> String {
  switch count {
  case ..<1_000: "\(count) B"
  case ..<1_000_000: "\(fixed(Double(count) / 1e3, 1)) kB"
  case ..<1_000_000_000: "\(fixed(Double(count) / 1e6, 1)) MB"
  default: "\(fixed(Double(count) / 1e9, 2)) GB"
  }
}

/// A time, as people read it.
public func durationText(_ duration: Duration) -> String {
  let seconds = max(0, Double(duration.wholeNanoseconds) / 1e9)
  switch seconds {
  case ..<100: return "\(fixed(seconds, 0)) s"
  case ..<6_000: return "\(fixed(seconds / 60, 0)) min"
  default: return "\(fixed(seconds / 3600, 1)) h"
  }
}

/// A moment as a date, in UTC.
public func dateText(_ time: RunTime) -> String {
  Date(timeIntervalSince1970: Double(time.nanoseconds) / 1e9)
    .formatted(.iso8601)
}

/// What is worth a line of its own.
func line(for event: RunEvent, _ summary: RunTally) -> String? {
  switch event {
  case .started(let run, let version, let versionCount):
    version == 0
      ? "run \(run): \(versionCount) versions to make"
      : "run \(run): going on from version \(version) of \(versionCount)"
  case .joined(let worker, let address): "\(worker) joined from \(address)"
  case .left(let worker, let reason): "\(worker) left: \(reason)"
  case .refused(let name, let reason): "refused \(name): \(reason)"
  case .opened: nil
  case .contributed: nil
  case .disregarded(let what, let reason): "disregarded \(what): \(reason)"
  case .committed(let commit):
    "version \(commit.version)/\(summary.versionCount)  loss \(fixed(commit.loss, 4))  "
      + "up \(byteText(commit.receivedByteCount)) (float32: \(byteText(commit.denseByteCount)))  "
      + "down \(byteText(commit.sentByteCount))  "
      + "\(fixed(Double(commit.tokenCount) / max(commit.seconds, 1e-9), 0)) tokens/s  "
      + "\(fixed(commit.seconds, 1)) s"
  case .stepped(let steps): line(for: steps, of: summary.versionCount)
  case .diagnosed(let version, _, let line, let isWarning):
    "\(isWarning ? "warning: " : "")up to version \(version): \(line)"
  case .failed(let round, let reason): "round \(round) failed: \(reason)"
  case .evaluated(let version, let loss, let accuracy, let count):
    "version \(version) on \(count) held-out tokens: loss \(fixed(loss, 4))"
      + (accuracy.map { ", accuracy \(fixed($0, 4))" } ?? "")
  case .finished(let version, let state, let failure):
    failure.map { "the run failed at version \(version): \($0)" }
      ?? "the run is over: version \(version), \(state.short)"
      + (summary.refusalCount > 0 ? "; refused \(summary.refusalCount) times" : "")
  }
}

/// Steps, and what they cost.
private func line(for steps: RunEvent.Steps, of versionCount: Int) -> String {
  var parts = [
    "version \(steps.version)/\(versionCount)",
    "loss \(steps.loss.map { fixed($0, 4) } ?? "not finite")",
  ]
  if let square = steps.squaredGradientNorm {
    parts.append("gradient \(fixed(square.squareRoot(), 3))")
  }
  parts += [
    rateText(steps.stepCount, in: steps.seconds),
    "\(steps.workerCount) worker\(steps.workerCount == 1 ? "" : "s")"
      + (steps.pairCount.map { " (\($0) pair\($0 == 1 ? "" : "s"))" } ?? ""),
    "up \(byteText(steps.receivedByteCount))", "down \(byteText(steps.sentByteCount))",
  ]
  if steps.droppedCount > 0 {
    parts.append(
      "\(steps.droppedCount) of \(steps.queryCount + steps.droppedCount) queries left out")
  }
  if steps.clippedCount > 0 { parts.append("\(steps.clippedCount) clipped") }
  return parts.joined(separator: "  ")
}

/// How fast steps are: "373.1 steps/s", or "16.5 s/step" for slow ones.
func rateText(_ stepCount: Int, in seconds: Double) -> String {
  let rate = Double(stepCount) / max(seconds, 1e-9)
  return rate >= 1 || stepCount == 0 ? "\(fixed(rate, 1)) steps/s" : "\(fixed(1 / rate, 1)) s/step"
}
