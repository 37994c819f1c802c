// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Foundation
internal import Network
internal import Randomness
internal import RunFiles
public import Training

/// The files of the demo: certificates, data, and a run file.
public struct DemoSite: Sendable {
  /// The run file.
  public let runFile: String
  /// How many workers there are.
  public let workerCount: Int
  private let folder: String

  /// Makes the files in `folder`, which must not exist yet.
  ///
  /// - Parameters:
  ///   - workerCount: nil for as many as the method's settings were found with.
  ///   - overrides: what will be put into the run file: what it does not take is refused here.
  public init(
    folder: String, model: String, wordnet: String, method: TrainingMethod, workerCount: Int? = nil,
    overrides: [String] = []
  ) throws {
    guard !FileManager.default.fileExists(atPath: folder) else {
      throw InputError("\(folder) exists already; remove it or choose another --folder")
    }
    guard FileManager.default.fileExists(atPath: model) else {
      throw InputError("there is no model at \(model); 'make demo' fetches one")
    }
    self.folder = folder
    self.workerCount = workerCount ?? method.usualWorkerCount
    runFile = "\(folder)/run.yaml"
    let text = runFileText(
      model: URL(filePath: model).standardizedFileURL.path, method: method,
      workerCount: self.workerCount)
    _ = try RunFile(yaml: text, path: runFile, folder: folder, overrides: overrides)
    let task = try TopicTask(
      WordNet(path: wordnet), trainingCount: 3000, workerCount: self.workerCount, alpha: 0.5,
      seed: Seed(2))
    try FileManager.default.createDirectory(
      atPath: "\(folder)/data", withIntermediateDirectories: true)
    _ = try task.write(to: "\(folder)/data")
    try CertificateAuthority.create(
      in: "\(folder)/certificates", names: ["localhost", "127.0.0.1"])
    try text.write(toFile: runFile, atomically: true, encoding: .utf8)
  }

  /// Prints what the run came to.
  public func printSummary(processorSeconds: Double) throws {
    let run = try RunTally(metricsPath: "\(folder)/runs/demo/metrics.jsonl")
    let accuracies = run.evaluations.sorted { $0.key < $1.key }.compactMap { $0.value.accuracy }
    if let first = accuracies.first, let last = accuracies.last {
      print("accuracy     \(fixed(first, 4)) before, \(fixed(last, 4)) after")
    }
    var sent = "\(byteText(run.receivedByteCount)) by the workers"
    // Losses stand for nothing that would have been larger.
    if run.denseByteCount > 0 {
      let ratio = Double(run.denseByteCount) / Double(max(1, run.receivedByteCount))
      sent += "; as float32 it would have been \(byteText(run.denseByteCount)), "
      sent += "\(fixed(ratio, 0)) times as much"
    }
    print("sent         \(sent)")
    print("processor    \(fixed(processorSeconds, 0)) s in all, of all processes")
    print("adapter      \(folder)/runs/demo/adapter")
  }
}

extension TrainingMethod {
  fileprivate var usualWorkerCount: Int { self == .gradient ? 3 : 4 }

  /// The sections of the run file that the method decides about.
  fileprivate func settings(workerCount: Int) -> String {
    switch self {
    case .gradient:
      """
      training:
        local-steps: 4
        batch-size: 16
        learning-rate: 1e-2
        epsilon: 1e-3 # steps follow the size of small gradients: what a sparse update keeps
        maximum-tokens: 96

      updates:
        up: {codec: ternary, density: 0.05}
        down: {codec: dense}

      rounds:
        versions: 8
        workers: \(workerCount)
        deadline: 10m

      validation:
        data: data/held-out.jsonl
      """
    case .zerothOrder:
      """
      training:
        method: zeroth-order
        parallel: both
        batch-size: 2
        queries: 16
        learning-rate: 1.5e-2
        maximum-tokens: 96

      rounds:
        versions: 60
        workers: \(workerCount)
        deadline: 2m

      validation:
        data: data/held-out.jsonl
        every: 20
      """
    }
  }
}

private func runFileText(model: String, method: TrainingMethod, workerCount: Int) -> String {
  let workers = (1...workerCount).map {
    "  - {name: worker-\($0), data: data/worker-\($0).jsonl}"
  }
  return """
    # \(workerCount) workers learn to name the topic of a definition.
    run: demo
    seed: 2
    model: \(model)

    adapter:
      rank: 8
      alpha: 16
      targets: [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]
      factors: b

    data:
      prompt: "Definition: {text}\\nCategory:"
      completion: " {label}"

    \(method.settings(workerCount: workerCount))

    coordinator:
      host: 127.0.0.1
      port: 0
      certificates: certificates
      runs: runs

    workers:
    \(workers.joined(separator: "\n"))

    threads: 1

    """
}
