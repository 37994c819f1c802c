// SPDX-License-Identifier: Apache-2.0
import Testing
import Updates

@testable import Federation
@testable import Training

struct TrainingDiaryTests {
  /// The reports of a version of so many steps.
  private func reports(_ stepCount: Int) -> [StepReport] {
    var diagnostics = GradientDiagnostics(valueCount: 3, rule: .sgd)
    return (1...stepCount).map { step in
      diagnostics.note(
        GradientDiagnostics.Step(
          slopes: [QuerySlope(query: 0, slope: 1)],
          taken: DirectionStep(step: UInt32(step), terms: []), learningRate: 1, loss: 1))
      return StepReport(
        step: step, stepCount: stepCount, loss: 1, tokenCount: 1, learningRate: 1,
        gradientNorm: 1, diagnostics: diagnostics)
    }
  }

  /// How many steps what is shown is about, by the step after which it is.
  private func shown(
    _ diary: inout TrainingDiary, _ stepCount: Int, from version: Int
  ) -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for report in reports(stepCount) {
      counts[report.step] = diary.note(report, from: version)?.figures.stepCount
    }
    return counts
  }

  @Test func stepsOfVersionsAreCountedTogetherAndEachOnce() {
    var diary = TrainingDiary()
    #expect(shown(&diary, 4, from: 0) == [4: 4])
    #expect(shown(&diary, 4, from: 1) == [4: 8])
    // It was learned again, because its round was held again.
    #expect(shown(&diary, 4, from: 1) == [4: 4])
    #expect(shown(&diary, 4, from: 5) == [4: 12])
    #expect(shown(&diary, 120, from: 6) == [50: 50, 100: 50, 120: 50])
  }

  @Test func trainingByGradientsHasNothingToShow() {
    var diary = TrainingDiary()
    let report = StepReport(
      step: 4, stepCount: 4, loss: 1, tokenCount: 1, learningRate: 1, gradientNorm: 1)
    #expect(diary.note(report, from: 0) == nil)
  }
}
