// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Federation
import Foundation
import Models
import Programs
import Rounds
import RunFiles
import Tensors
import Tokenization
import Training
import Updates

/// The command `tern check`.
struct Check: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a run file comes to, before anything starts.",
    discussion: """
      Reads the checkpoint, the run file and all data files that it names; says what each worker \
      takes in memory and what travels in a round, at most.
      """)

  @OptionGroup var options: RunFileOptions

  @Option(help: "text or json.")
  var format = OutputFormat.text

  private struct Output: Encodable {
    struct Data: Encodable {
      let name: String
      let path: String
      let examples: Int
      let truncated: Int
    }
    let plan: RunPlan
    let compute: String
    let planDigest: String
    let modelDigest: String
    let baseParameters: Int
    let adapterParameters: Int
    /// What the hungriest worker takes: when it keeps all that is useful, and at least.
    let workerMemoryBytes: Int
    let leastWorkerMemoryBytes: Int
    /// How much of that is the model, shared by the workers of one machine.
    let sharedMemoryBytes: Int
    let upBytesPerWorker: Int
    let downBytesPerWorker: Int
    let denseBytesPerWorker: Int
    let data: [Data]
    /// The listed workers that evaluate one sign each, two by two; nil where signs are not split.
    let signPairs: [[WorkerID]]?
  }

  func run() async throws {
    try await reportingErrors {
      let file = try options.load()
      let model = try LoadedModel(path: file.model)
      let (checkpoint, tokenizer) = (model.checkpoint, model.tokenizer)
      let plan = file.plan
      let layout = try model.adapted(by: plan).layout
      let baseCount = checkpoint.tensorNames.reduce(0) {
        $0 + (checkpoint.shape(of: $1)?.reduce(1, *) ?? 0)
      }
      let named =
        file.workers.map { ($0.name, $0.data) }
        + (file.validation.map { [("validation", $0.data)] } ?? [])
      let data = try named.map { name, path in
        let examples = try LoadedModel.examples(
          at: path, for: plan, tokenizer: tokenizer,
          contextLength: checkpoint.configuration.contextLength)
        return Output.Data(
          name: name, path: path, examples: examples.count, truncated: examples.truncatedCount)
      }
      let memory = try file.workers.map {
        try model.memoryPlans(
          data: $0.data, plan: plan, method: $0.method,
          threadCount: file.threadCount ?? processorCount)
      }
      let output = Output(
        plan: plan, compute: "\(plan.arithmetic)",
        planDigest: "\(try plan.digest())", modelDigest: "\(checkpoint.digest())",
        baseParameters: baseCount, adapterParameters: layout.count,
        workerMemoryBytes: memory.map(\.useful.byteCount).max() ?? 0,
        leastWorkerMemoryBytes: memory.map(\.least.byteCount).max() ?? 0,
        sharedMemoryBytes: memory.first?.useful.sharedWeights ?? 0,
        upBytesPerWorker: plan.training.sharedSteps.map(\.reportByteCount)
          ?? plan.uploadByteLimit(for: layout),
        downBytesPerWorker: try plan.training.sharedSteps.map {
          $0.taskByteCount(groupCount: try file.stepGroupCount())
        } ?? plan.downloadByteLimit(for: layout),
        denseBytesPerWorker: layout.count * MemoryLayout<Float>.size, data: data,
        signPairs: try file.signPairs())
      try printResult(of: "check", as: format, output) { text(of: output) }
    }
  }

  private func text(of output: Output) -> String {
    let plan = output.plan
    let unit = plan.training.isBySteps ? "step" : "round"
    var lines = [
      "run         \(plan.run), plan \(output.planDigest.prefix(8))",
      "model       \(output.modelDigest.prefix(8)), \(output.baseParameters) parameters",
      "adapter     \(adapterText(plan.adapter)), \(output.adapterParameters) parameters",
      "\(unit)s      ".prefix(12)
        + "\(plan.rounds.versionCount) versions by \(plan.rounds.cohortSize) workers, "
        + "quorum \(plan.rounds.quorum), at most \(durationText(plan.rounds.deadline)) a \(unit)",
      "training    \(trainingText(plan.training, unit))",
      "compute     \(output.compute) on this machine",
      "memory      \(byteText(output.workerMemoryBytes)) a worker, or "
        + "\(byteText(output.leastWorkerMemoryBytes)) by one thread that keeps as little as it can; "
        + "\(byteText(output.sharedMemoryBytes)) of it are the model's file, which workers share",
      "up          at most \(byteText(output.upBytesPerWorker)) a worker and \(unit) "
        + "(float32: \(byteText(output.denseBytesPerWorker)))",
      "down        at most \(byteText(output.downBytesPerWorker)) a worker and \(unit)",
    ]
    lines += output.data.map { data in
      "data        \(data.name): \(data.examples) examples"
        + (data.truncated > 0 ? ", \(data.truncated) shortened" : "")
    }
    if let pairs = output.signPairs {
      let texts = pairs.map { $0.map(\.rawValue).joined(separator: " and ") }
      lines.append(
        "pairs       "
          + (texts.isEmpty
            ? "none: no two listed workers have the same data" : texts.joined(separator: ", ")))
    }
    return lines.joined(separator: "\n")
  }
}

/// What is learned, in words.
private func adapterText(_ adapter: AdapterConfiguration) -> String {
  switch adapter {
  case .lora(let lora): return "rank \(lora.rank)"
  case .weights(let weights):
    switch weights.form {
    case .sparse(let rank): return "sparse, as many values as of rank \(rank)"
    case .scales(let length): return "scales of \(length) weights each"
    }
  }
}

extension ZerothOrderTraining {
  /// The losses of a step, and what is around them, before TLS.
  fileprivate var reportByteCount: Int { estimator.lossCount(of: queryCount) * 8 + 40 }

  /// The coefficients of a step, and what is around them, before TLS.
  fileprivate func taskByteCount(groupCount: Int) -> Int { queryCount * groupCount * 5 + 60 }
}

private func trainingText(_ training: TrainingPlan, _ unit: String) -> String {
  func steps(_ count: Int, of batchSize: Int) -> String {
    "\(count) step\(count == 1 ? "" : "s") of \(batchSize) examples a \(unit)"
  }
  return [
    training.gradient.map { "\(steps($0.localSteps, of: $0.batchSize)) by gradients" },
    training.zerothOrder.map {
      "\(steps($0.localSteps, of: $0.batchSize)) by losses along "
        + "\($0.queryCount) random directions each"
    },
  ].compactMap { $0 }.joined(separator: "; others ")
}
