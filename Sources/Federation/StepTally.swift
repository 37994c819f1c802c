// SPDX-License-Identifier: Apache-2.0
internal import Messages
internal import Rounds
internal import Training

/// What steps came to since it was last told.
struct StepTally {
  private(set) var stepCount = 0
  var receivedByteCount = 0
  var sentByteCount = 0
  /// Answers that changed nothing, in the life of the coordinator.
  var refusedCount = 0
  private var since: RunTime?
  private var loss = (sum: 0.0, count: 0)
  private var squaredNorm = (sum: 0.0, count: 0)
  private var queryCount = 0
  private var droppedCount = 0
  private var clippedCount = 0
  private var tokenCount = 0
  /// How many pairs evaluated one sign each in the last step.
  private var pairCount = 0

  init(since: RunTime? = nil, refusedCount: Int = 0) {
    self.since = since
    self.refusedCount = refusedCount
  }

  mutating func add(
    _ estimate: GradientEstimate, _ reports: [LossReport], pairCount: Int, clippedCount: Int,
    at now: RunTime
  ) {
    since = since ?? now
    stepCount += 1
    self.pairCount = pairCount
    if let loss = estimate.loss { self.loss = (self.loss.sum + loss, self.loss.count + 1) }
    if let square = estimate.squaredGradientNorm {
      squaredNorm = (squaredNorm.sum + square, squaredNorm.count + 1)
    }
    queryCount += estimate.scalars.count
    droppedCount += estimate.droppedCount
    self.clippedCount += clippedCount
    tokenCount += reports.reduce(0) { $0 + $1.tokenCount }
  }

  /// Whether to tell: not more often than once a second.
  func isDue(at now: RunTime) -> Bool {
    since.map { now - $0 >= .seconds(1) } ?? false
  }

  func report(
    version: Int, learningRate: Double, connectedCount: Int, splitsSigns: Bool, at now: RunTime
  ) -> RunEvent.Steps {
    RunEvent.Steps(
      version: version, stepCount: stepCount, workerCount: connectedCount,
      pairCount: splitsSigns ? pairCount : nil,
      loss: loss.count > 0 ? loss.sum / Double(loss.count) : nil,
      squaredGradientNorm: squaredNorm.count > 0
        ? squaredNorm.sum / Double(squaredNorm.count) : nil,
      learningRate: learningRate, queryCount: queryCount, droppedCount: droppedCount,
      clippedCount: clippedCount, refusedCount: refusedCount,
      receivedByteCount: receivedByteCount, sentByteCount: sentByteCount, tokenCount: tokenCount,
      seconds: since.map { Double((now - $0).wholeNanoseconds) / 1e9 } ?? 0)
  }
}
