// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Foundation
internal import Glibc
internal import Models
internal import Randomness
internal import Rounds
public import RunFiles
public import Training

/// A run file's zeroth-order training, tried with some learning rates.
public struct RateTrial: Sendable {
  private let ladder: RateLadder
  private let rates: [Double]
  private let stepCount: Int
  private let worker: String

  /// What the trial came to.
  public struct Report: Encodable, Sendable {
    /// Whose data was learned from.
    public let worker: String
    /// What was tried.
    public let ladder: RateLadder.Report
    /// The rate that is proposed; nil when none brought the loss down.
    public let proposal: Double?
  }

  /// A trial with the model, data and settings of `file`, whose memory limit it keeps to.
  ///
  /// - Parameters:
  ///   - worker: whose data is learned from; nil for the first of the run file.
  ///   - rates: the rates; nil for half-decades around the run file's.
  /// - Throws: when there is no such worker, or when the run does not learn by losses alone.
  public init(_ file: RunFile, worker: String?, rates: [Double]?, stepCount: Int) throws {
    let plan = file.plan
    guard let given = plan.training.zerothOrder else {
      throw InputError(
        "the run file trains by gradients; rates are tried for 'training: {method: zeroth-order}'")
    }
    let settings = given.byOneWorker(ofGroups: try file.stepGroupCount())
    let names = file.workers.map(\.name)
    guard let site = file.workers.first(where: { $0.name == worker ?? names.first }) else {
      throw InputError(
        worker.map { "no worker '\($0)' among \(names.joined(separator: ", "))" }
          ?? "the run file lists no 'workers' whose data could be tried; give one a name and data")
    }
    self.worker = site.name
    self.stepCount = stepCount
    self.rates = rates ?? RateLadder.rates(around: settings.learningRate)
    guard let id = WorkerID(rawValue: site.name) else {
      throw InputError("'\(site.name)' is not a worker's name")
    }
    ladder = try LoadedModel(path: file.model).rateLadder(
      for: id, data: site.data, heldOut: file.validation?.data, plan: plan,
      settings: settings, stepCount: stepCount, threadCount: file.threadCount ?? processorCount)
  }

  /// Tries the rates; says on the standard error how far it is.
  public func run() throws -> Report {
    let line = ProgressLine()
    defer { line.clear() }
    line.show("measuring the start")
    let report = try ladder.run(rates) { progress in
      try Task.checkCancellation()
      switch progress {
      case .step(let step, let rate, let loss):
        let text = loss.map { fixed($0, 4) } ?? "not finite"
        line.show("rate \(rate): step \(step) of \(stepCount), loss \(text)")
      case .finished(let rung):
        line.clear()
        printError(rung.text)
      }
    }
    return Report(worker: worker, ladder: report, proposal: report.proposal)
  }
}

extension LoadedModel {
  /// Learning rates for what `worker` learns in a run of `plan`, from the data at `path`.
  func rateLadder(
    for worker: WorkerID, data path: String, heldOut: String?, plan: RunPlan,
    settings: ZerothOrderTraining, stepCount: Int, threadCount: Int
  ) throws -> RateLadder {
    try settings.check(totalVersions: plan.rounds.versionCount)
    let model = try adapted(by: plan)
    let examples = try examples(at: path, for: plan, maximumTokens: settings.maximumTokens)
    let memory = try WorkerTask(settings: .zerothOrder(settings), examples: examples)
      .memoryPlan(
        of: model, threadCount: threadCount, budget: plan.workerMemory ?? MachineMemory.byteCount)
    return try RateLadder(
      model: model, examples: examples,
      heldOut: heldOut.map { try self.examples(at: $0, for: plan) },
      settings: settings, stepCount: stepCount,
      seed: plan.seedOfOrder(of: worker, data: try digestOfFile(at: path)),
      threadCount: memory.threadCount, adapterCount: memory.adapterCount)
  }
}

extension ZerothOrderTraining {
  /// The same training by one worker, which takes by itself the queries of a step that so many groups
  /// of workers take together: rates are then about those of the run.
  fileprivate func byOneWorker(ofGroups groupCount: Int) -> ZerothOrderTraining {
    guard parallelism != nil else { return self }
    var settings = self
    settings.parallelism = nil
    settings.queryCount *= groupCount
    return settings
  }
}

extension RateTrial.Report {
  /// The table, and what is proposed, for people.
  public var text: String {
    let examples = "\(ladder.exampleCount) \(ladder.isHeldOut ? "held-out examples" : "examples")"
    var lines = [
      "\(worker) learned; loss of \(examples): \(fixed(ladder.lossBefore, 4)) before, then",
      columns(["rate", "loss", "decrease", "predicted", "gradient", "halves agree"]),
    ]
    lines += ladder.rungs.map(\.row)
    if let lowest = ladder.untried.first {
      lines.append("\(lowest) and above were not tried")
    }
    guard let proposal else {
      return (lines + ["no rate brought the loss down: try others, more steps, or more queries"])
        .joined(separator: "\n")
    }
    if ladder.isHighestBest { lines.append("the highest rate was the best: try higher ones") }
    return (lines + ["proposed     --set training.learning-rate=\(proposal)"])
      .joined(separator: "\n")
  }
}

extension RateLadder.Rung {
  /// What it came to, in words.
  fileprivate var text: String {
    lossAfter.map { "rate \(learningRate): loss \(fixed($0, 4)) after \(stepCount) steps" }
      ?? "rate \(learningRate): given up after step \(stepCount)"
  }

  fileprivate var row: String {
    columns([
      "\(learningRate)", lossAfter.map { fixed($0, 4) } ?? "given up",
      measuredDecrease.map(short) ?? "-", figures.predictedDecrease.map(short) ?? "-",
      (figures.sharedSquaredNorm ?? figures.squaredNorm)
        .map { short(max(0, $0).squareRoot()) } ?? "-",
      figures.agreement.map { fixed($0, 2) } ?? "-",
    ])
  }
}

private func short(_ value: Double) -> String { String(format: "%.3g", value) }

private func columns(_ texts: [String]) -> String {
  texts.map { $0 + String(repeating: " ", count: max(1, 11 - $0.count)) }.joined()
    .trimmingSuffix(" ")
}

extension String {
  fileprivate func trimmingSuffix(_ character: Character) -> String {
    String(reversed().drop { $0 == character }.reversed())
  }
}

/// A line on the standard error that says what is being done, and is replaced by the next; nothing
/// where that is no terminal.
struct ProgressLine {
  private let isTerminal = isatty(STDERR_FILENO) == 1

  func show(_ text: String) { write("\r\u{1B}[K" + text) }

  func clear() { write("\r\u{1B}[K") }

  private func write(_ text: String) {
    guard isTerminal else { return }
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
