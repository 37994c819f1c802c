// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Foundation

/// A run in a few numbers, from its events.
public struct RunTally: Sendable {
  /// The version that there is.
  public private(set) var version = 0
  /// How many there will be.
  public private(set) var versionCount = 0
  /// The last round's mean training loss.
  public private(set) var loss: Double?
  /// What was measured, by version.
  public private(set) var evaluations: [Int: (loss: Double, accuracy: Double?)] = [:]
  /// Payload bytes from the workers.
  public private(set) var receivedByteCount = 0
  /// Payload bytes to the workers.
  public private(set) var sentByteCount = 0
  /// What the workers' updates would have been as 32-bit floats.
  public private(set) var denseByteCount = 0
  /// Tokens that the workers trained on.
  public private(set) var tokenCount = 0
  /// How often somebody, or a contribution, was turned away.
  public private(set) var refusalCount = 0
  /// Seconds spent in rounds.
  public private(set) var seconds = 0.0

  /// An empty tally.
  init() {}

  /// What the metrics at `metricsPath` tell of a run.
  init(metricsPath: String) throws {
    for event in try MetricsFile.events(at: metricsPath) { note(event) }
  }

  mutating func note(_ event: RunEvent) {
    switch event {
    case .started(_, let version, let versionCount):
      self.version = version
      self.versionCount = versionCount
    case .committed(let commit):
      version = commit.version
      loss = commit.loss
      receivedByteCount += commit.receivedByteCount
      sentByteCount += commit.sentByteCount
      denseByteCount += commit.denseByteCount
      tokenCount += commit.tokenCount
      seconds += commit.seconds
    case .stepped(let steps):
      version = steps.version
      loss = steps.loss ?? loss
      receivedByteCount += steps.receivedByteCount
      sentByteCount += steps.sentByteCount
      tokenCount += steps.tokenCount
      seconds += steps.seconds
    case .evaluated(let version, let loss, let accuracy, _):
      evaluations[version] = (loss, accuracy)
    case .refused: refusalCount += 1
    default: break
    }
  }

  /// The measurement of the newest version that was measured.
  public var lastEvaluation: (version: Int, loss: Double, accuracy: Double?)? {
    evaluations.max { $0.key < $1.key }.map { ($0.key, $0.value.loss, $0.value.accuracy) }
  }

  /// The progress bar with the numbers beside it.
  var bar: String {
    let width = 20
    let done = versionCount > 0 ? width * version / versionCount : 0
    var parts = [
      "[" + String(repeating: "=", count: done) + String(repeating: " ", count: width - done) + "]",
      "\(version)/\(versionCount)",
    ]
    if let loss { parts.append("loss \(fixed(loss, 3))") }
    if let accuracy = lastEvaluation?.accuracy { parts.append("accuracy \(fixed(accuracy, 3))") }
    parts.append("up \(byteText(receivedByteCount))")
    parts.append("down \(byteText(sentByteCount))")
    if seconds > 0 { parts.append("\(fixed(Double(tokenCount) / seconds, 0)) tokens/s") }
    if version > 0, version < versionCount {
      let left = seconds / Double(version) * Double(versionCount - version)
      parts.append("\(durationText(.seconds(left))) left")
    }
    if refusalCount > 0 { parts.append("\(refusalCount) refused") }
    return parts.joined(separator: "  ")
  }
}
