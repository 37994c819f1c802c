// SPDX-License-Identifier: Apache-2.0
internal import Models
public import Tensors
internal import Updates

extension ZerothOrderTraining {
  /// Refuses more blocks than the layers whose tensors `layout` has, and more ranks than they have; by
  /// the names of the run file, which could not know.
  ///
  /// - Throws: `badSetting`.
  public func check(for layout: ParameterLayout) throws(TrainingError) {
    let layerCount = Set(layout.entries.compactMap(\.layer)).count
    guard blockCount == 1 || blockCount <= layerCount else {
      throw .badSetting(
        name: "blocks", value: "\(blockCount)",
        allowed: "at most \(layerCount), the layers that have an adapter")
    }
    guard let subspace else { return }
    let ranks = ranks(of: layout)
    guard ranks.count == 1, let rank = ranks.first, subspace.rank <= rank else {
      throw .badSetting(
        name: "subspace-rank", value: "\(subspace.rank)",
        allowed: "at most \(ranks.min() ?? 0), the adapter's rank, which is the same everywhere")
    }
  }

  /// Refuses settings with which no training is possible, and more steps in `totalVersions` versions
  /// than directions have numbers for.
  ///
  /// - Throws: `badSetting` with the setting's name, its value, and what is allowed.
  public func check(totalVersions: Int) throws(TrainingError) {
    try checkSettings()
    let (count, overflows) = localSteps.multipliedReportingOverflow(by: totalVersions)
    guard !overflows, UInt32(exactly: count) != nil else {
      throw .badSetting(
        name: "localSteps", value: "\(localSteps) in each of \(totalVersions) versions",
        allowed: "at most \(UInt32.max) steps in the run")
    }
  }

  private func checkSettings() throws(TrainingError) {
    for (name, value, least, most) in [
      ("localSteps", localSteps, 1, 1_000_000), ("batchSize", batchSize, 1, 1_000_000),
      ("queryCount", queryCount, estimator.leastQueryCount, 100_000),
      ("maximumTokens", maximumTokens, 2, 1_000_000), ("blockCount", blockCount, 1, 100_000),
    ] where !(least...most).contains(value) {
      throw .badSetting(name: name, value: "\(value)", allowed: "from \(least) to \(most)")
    }
    for (name, value) in [
      ("learningRate", Float(learningRate)), ("perturbation", estimator.perturbation),
    ] where !(value > 0 && value.isFinite) {
      throw .badSetting(
        name: name, value: "\(value)", allowed: "positive and finite, as a 32-bit float")
    }
    guard !isConservative || !rule.hasState else {
      throw .badSetting(
        name: "isConservative", value: "true", allowed: "false with momentum and Adam")
    }
    guard parallelism == nil || !isConservative else {
      throw .badSetting(
        name: "isConservative", value: "true", allowed: "false where workers take steps together")
    }
    guard parallelism != .signs || estimator.isSplittable else {
      throw .badSetting(
        name: "estimator", value: estimator.kind.rawValue,
        allowed: "two-sided where two workers evaluate one sign each")
    }
    guard parallelism == nil || localSteps == 1 else {
      throw .badSetting(
        name: "localSteps", value: "\(localSteps)", allowed: "1 where workers take steps together")
    }
    try checkSource()
    try checkSubspace()
    try rule.check()
  }

  private func checkSource() throws(TrainingError) {
    guard parallelism == nil || source == .own else {
      throw .badSetting(
        name: "source", value: "\(source)", allowed: "own where workers take steps together")
    }
    guard let count = source.count else { return }
    guard blockCount == 1, subspace == nil else {
      throw .badSetting(
        name: "source", value: "\(source)",
        allowed: "own or shared with blocks or a subspace, for a pool is the same in every step")
    }
    guard (queryCount...(1 << 20)).contains(count) else {
      throw .badSetting(
        name: "source", value: "\(source)",
        allowed: "from \(queryCount) directions, those of a step, to \(1 << 20)")
    }
    guard !rule.hasState else {
      throw .badSetting(
        name: "source", value: "\(source)", allowed: "own or shared with momentum and Adam")
    }
  }

  private func checkSubspace() throws(TrainingError) {
    guard let subspace else { return }
    for (name, value) in [
      ("subspace.rank", subspace.rank), ("subspace.stepCount", subspace.stepCount),
    ] where !(1...1_000_000).contains(value) {
      throw .badSetting(name: name, value: "\(value)", allowed: "from 1 to 1000000")
    }
    guard factors == .b else {
      throw .badSetting(
        name: "factors", value: "\(factors)",
        allowed: "b with a subspace, whose ranks are B's columns")
    }
  }
}

extension UpdateRule {
  fileprivate func check() throws(TrainingError) {
    func checkShare(_ name: String, _ value: Double) throws(TrainingError) {
      guard (0..<1).contains(value) else {
        throw .badSetting(name: name, value: "\(value)", allowed: "at least 0 and below 1")
      }
    }
    switch self {
    case .sgd, .sign: break
    case .momentum(let beta): try checkShare("beta", beta)
    case .adam(let beta1, let beta2, let epsilon):
      try checkShare("beta1", beta1)
      try checkShare("beta2", beta2)
      guard epsilon > 0 && epsilon.isFinite else {
        throw .badSetting(name: "epsilon", value: "\(epsilon)", allowed: "positive and finite")
      }
    }
  }
}
