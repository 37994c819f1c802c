// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Models
internal import Randomness
internal import Training

extension Section {
  /// The forms of adapters, by their names.
  private enum Form: String, CaseIterable {
    case lora, sparse, scales

    /// The keys that an adapter of this form has.
    var keys: [String] {
      switch self {
      case .lora: ["form", "targets", "rank", "alpha", "factors", "init"]
      case .sparse: ["form", "targets", "rank"]
      case .scales: ["form", "targets", "block-length"]
      }
    }
  }

  /// What is learned, from a run file's `adapter`.
  func adapter(
    seed: UInt64, quantization: Quantization?, training: TrainingPlan
  ) throws(RunFileError) -> AdapterConfiguration {
    let section = try section("adapter", known: Set(Form.allCases.flatMap(\.keys)).sorted())
    let form = try section.choice(
      "form", Form.lora, from: Form.allCases.map { ($0.rawValue, $0) })
    for other in Form.allCases {
      for key in other.keys where !form.keys.contains(key) && section.has(key) {
        throw .badValue(
          key: section.name(of: key), value: "there",
          expected: "no such key with 'form: \(form.rawValue)'")
      }
    }
    let targets = try section.targets()
    let adapter: AdapterConfiguration
    switch form {
    case .lora:
      adapter = .lora(try section.lora(targets, seed: seed, quantization: quantization))
    case .sparse:
      let rank = try section.integer("rank", 8, in: LoRAConfiguration.ranks)
      adapter = .weights(WeightAdapterConfiguration(.sparse(rank: rank), targets: targets))
    case .scales:
      let length = try section.integer(
        "block-length", 32, in: WeightAdapterConfiguration.blockLengths)
      adapter = .weights(
        WeightAdapterConfiguration(.scales(blockLength: length), targets: targets))
    }
    do {
      try training.check(for: adapter)
    } catch {
      throw RunFileError(error, form: form.rawValue)
    }
    return adapter
  }

  private func targets() throws(RunFileError) -> [Projection] {
    var targets: [Projection] = []
    for name in try strings("targets") ?? Projection.allCases.map(\.rawValue) {
      let meant = Projection.named(name)
      guard !meant.isEmpty else {
        throw .badValue(
          key: self.name(of: "targets"), value: name,
          expected: "a list of " + Projection.allCases.map(\.rawValue).joined(separator: ", ")
            + ", or of what the model's family calls them")
      }
      targets += meant
    }
    guard !targets.isEmpty else {
      throw .badValue(key: name(of: "targets"), value: "[]", expected: "at least one layer")
    }
    return targets
  }

  private func lora(
    _ targets: [Projection], seed: UInt64, quantization: Quantization?
  ) throws(RunFileError) -> LoRAConfiguration {
    let rank = try integer("rank", 8, in: LoRAConfiguration.ranks)
    let start = try choice(
      "init", nil,
      from: [("zero", nil)] + LoRAConfiguration.Start.allCases.map { ($0.rawValue, $0) })
    if let start, quantization != .nf4, quantization != .int8 {
      throw .badValue(
        key: name(of: "init"), value: start.rawValue,
        expected: "zero without 'quantize: nf4' or 'quantize: int8', whose loss it makes good")
    }
    return LoRAConfiguration(
      rank: rank, alpha: Float(try number("alpha", Double(2 * rank), in: 1e-6...1e6)),
      targets: targets,
      factors: try choice("factors", .b, from: [("b", .b), ("both", .both)]), start: start,
      seed: Seed(seed).derived("adapter").value)
  }
}

extension RunFileError {
  /// What training settings are not for an adapter of some form.
  fileprivate init(_ error: TrainingError, form: String) {
    switch error {
    case .badSetting(let name, let value, let allowed):
      self = .badValue(key: name, value: value, expected: "\(allowed) ('form: \(form)')")
    default:
      self = .badValue(key: "adapter.form", value: form, expected: "\(error)")
    }
  }
}
