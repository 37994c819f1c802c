// SPDX-License-Identifier: Apache-2.0
internal import Training

/// What the last steps of a worker say about its training, from version to version.
struct TrainingDiary: Sendable {
  private var lastVersion = -1
  private var diagnostics: GradientDiagnostics?

  /// What is worth showing after a step from `version`: after as many as there are remembered, and
  /// after a version's last; nil in between, and for training that has no diagnostics.
  mutating func note(_ report: StepReport, from version: Int) -> GradientDiagnostics? {
    let isLast = report.step == report.stepCount
    guard let own = report.diagnostics,
      isLast || report.step.isMultiple(of: GradientDiagnostics.windowLength)
    else { return nil }
    // A version that is learned again is not to count twice.
    guard version > lastVersion else { return own }
    let all = diagnostics.map { own.following($0) } ?? own
    if isLast { (lastVersion, diagnostics) = (version, all) }
    return all
  }
}
