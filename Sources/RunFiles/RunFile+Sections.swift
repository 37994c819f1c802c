// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Federation
internal import Models
internal import Randomness
internal import Rounds
internal import Training
internal import Yams

extension Section {
  func plan() throws(RunFileError) -> RunPlan {
    let name = try required("run", "the run's name")
    guard let run = RunID(rawValue: name) else {
      throw .badValue(
        key: "run", value: name, expected: "at most 64 letters, digits, '-', '_' and '.'")
    }
    let seed = UInt64(try integer("seed", 0, in: 0...Int.max))
    let training = try training()
    try check(training)
    let quantization = try quantization()
    let adapter = try adapter(seed: seed, quantization: quantization, training: training)
    return RunPlan(
      run: run, seed: seed, adapter: adapter, data: try data(),
      training: training, updates: try updates(for: training),
      rounds: try rounds(bySteps: training.isBySteps),
      compute: try choice(
        "compute", nil, from: [("auto", nil)] + ComputeMode.allCases.map { ($0.rawValue, $0) }),
      quantization: quantization, workerMemory: try byteCount("memory"))
  }

  private func quantization() throws(RunFileError) -> Quantization? {
    try choice(
      "quantize", nil, from: [("none", nil)] + Quantization.allCases.map { ($0.rawValue, $0) })
  }

  /// Refuses what has no meaning where losses travel, or where only some workers learn by them.
  private func check(_ training: TrainingPlan) throws(RunFileError) {
    if training.isBySteps, has("updates") {
      throw .badValue(
        key: "updates", value: "there",
        expected: "no such section with 'training.parallel': losses travel, not updates")
    }
    if case .mixed(_, let settings) = training, settings.parallelism != nil {
      throw .badValue(
        key: "training.zeroth-order.parallel", value: "there",
        expected: "no such key in a mixed run, whose workers send what they learned")
    }
  }

  private func data() throws(RunFileError) -> DataPlan? {
    guard has("data") else { return nil }
    let section = try section("data", known: ["prompt", "completion"])
    return DataPlan(
      prompt: try section.required("prompt", "the template of the prompt, as 'Q: {question}'"),
      completion: try section.required("completion", "the template of the completion"))
  }

  private func rounds(bySteps: Bool) throws(RunFileError) -> RoundRules {
    let section = try section(
      "rounds",
      known: [
        "versions", "workers", "over-selection", "quorum", "minimum-workers", "deadline",
        "absence-grace", "maximum-failures", "retry-delay",
      ])
    let workers = try section.integer("workers", 1, in: 1...100_000)
    // A step goes on without whoever leaves.
    let quorum = try section.integer("quorum", bySteps ? 1 : workers, in: 1...workers)
    return RoundRules(
      versionCount: try section.integer("versions", 10, in: 1...100_000_000),
      cohortSize: workers,
      overSelection: try section.number("over-selection", 1.3, in: 1...10),
      quorum: quorum,
      minimumWorkers: try section.integer("minimum-workers", workers, in: quorum...100_000),
      deadline: try section.duration("deadline", .seconds(600)),
      absenceGrace: try section.duration("absence-grace", .seconds(30)),
      maximumFailedRounds: try section.integer("maximum-failures", 10, in: 1...1_000_000),
      retryDelay: try section.duration("retry-delay", .seconds(5)))
  }

  func validation(in folder: String) throws(RunFileError) -> RunFile.Validation? {
    guard has("validation") else { return nil }
    let section = try section("validation", known: ["data", "every"])
    return RunFile.Validation(
      data: resolve(try section.required("data", "a file of JSON lines"), in: folder),
      every: try section.integer("every", 0, in: 0...1_000_000))
  }

  func coordinatorSite(in folder: String) throws(RunFileError) -> RunFile.CoordinatorSite {
    let section = try section(
      "coordinator", known: ["host", "port", "certificates", "runs", "heartbeat"])
    return RunFile.CoordinatorSite(
      host: try section.string("host") ?? "0.0.0.0",
      port: try section.integer("port", RunFile.CoordinatorSite.defaultPort, in: 0...65_535),
      certificates: resolve(try section.string("certificates") ?? "certificates", in: folder),
      runs: resolve(try section.string("runs") ?? "runs", in: folder),
      heartbeat: try section.duration("heartbeat", .seconds(2)))
  }

  func workerSites(
    in folder: String, for training: TrainingPlan
  ) throws(RunFileError) -> [RunFile.WorkerSite] {
    var sites: [RunFile.WorkerSite] = []
    for (index, node) in try list("workers").enumerated() {
      let section = try Section(node, path: "workers.\(index)", known: ["name", "data", "method"])
      let name = try section.required("name", "the worker's name")
      guard WorkerID(rawValue: name) != nil, !sites.contains(where: { $0.name == name }) else {
        throw .badValue(
          key: section.name(of: "name"), value: name,
          expected: "a name of its own, of at most 64 letters, digits, '-', '_' and '.'")
      }
      sites.append(
        RunFile.WorkerSite(
          name: name,
          data: resolve(try section.required("data", "a file of JSON lines"), in: folder),
          method: try section.workerMethod(in: training)))
    }
    return sites
  }
}
