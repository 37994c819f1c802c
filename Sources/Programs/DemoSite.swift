// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Foundation
internal import Network
internal import Randomness
internal import RunFiles
internal import Training

/// The files of the demo: certificates, data, and a run file.
public struct DemoSite: Sendable {
  /// The run file.
  public let runFile: String
  private let folder: String

  /// Makes the files in `folder`, which must not exist yet.
  public init(folder: String, model: String, wordnet: String) throws {
    guard !FileManager.default.fileExists(atPath: folder) else {
      throw InputError("\(folder) exists already; remove it or choose another --folder")
    }
    guard FileManager.default.fileExists(atPath: model) else {
      throw InputError("there is no model at \(model); 'make demo' fetches one")
    }
    self.folder = folder
    runFile = "\(folder)/run.yaml"
    let task = try TopicTask(
      WordNet(path: wordnet), trainingCount: 3000, workerCount: 3, alpha: 0.5, seed: Seed(2))
    try FileManager.default.createDirectory(
      atPath: "\(folder)/data", withIntermediateDirectories: true)
    _ = try task.write(to: "\(folder)/data")
    try CertificateAuthority.create(
      in: "\(folder)/certificates", names: ["localhost", "127.0.0.1"])
    try runFileText(model: URL(filePath: model).standardizedFileURL.path)
      .write(toFile: runFile, atomically: true, encoding: .utf8)
  }

  /// Prints what the run came to.
  public func printSummary(processorSeconds: Double) throws {
    let run = try RunTally(metricsPath: "\(folder)/runs/demo/metrics.jsonl")
    let accuracies = run.evaluations.sorted { $0.key < $1.key }.compactMap { $0.value.accuracy }
    if let first = accuracies.first, let last = accuracies.last {
      print("accuracy     \(fixed(first, 4)) before, \(fixed(last, 4)) after")
    }
    let ratio = Double(run.denseByteCount) / Double(max(1, run.receivedByteCount))
    print(
      "sent         \(byteText(run.receivedByteCount)) by the workers; as float32 it would have "
        + "been \(byteText(run.denseByteCount)), \(fixed(ratio, 0)) times as much")
    print("processor    \(fixed(processorSeconds, 0)) s in all, of all processes")
    print("adapter      \(folder)/runs/demo/adapter")
  }
}

private func runFileText(model: String) -> String {
  """
  # Three workers learn to name the topic of a definition.
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
    workers: 3
    deadline: 10m

  validation:
    data: data/held-out.jsonl

  coordinator:
    host: 127.0.0.1
    port: 0
    certificates: certificates
    runs: runs

  workers:
    - {name: worker-1, data: data/worker-1.jsonl}
    - {name: worker-2, data: data/worker-2.jsonl}
    - {name: worker-3, data: data/worker-3.jsonl}

  threads: 1

  """
}
