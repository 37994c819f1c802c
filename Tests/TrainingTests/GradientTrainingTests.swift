// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Testing

@testable import Training

struct GradientTrainingTests {
  @Test func theWarmUpRisesInEqualParts() {
    let settings = GradientTraining(learningRate: 0.4, warmup: 4)
    let rates = (0..<5).map { settings.learningRate(atStep: $0, of: 12) }
    #expect(rates == [0.1, 0.2, 0.4 * 0.75, 0.4, 0.4])
  }

  @Test func theCosineFallsToZero() {
    let settings = GradientTraining(learningRate: 2, warmup: 2)
    #expect(settings.learningRate(atStep: 2, of: 10) == 2)
    #expect(abs(settings.learningRate(atStep: 6, of: 10) - 1) < 1e-12)
    #expect(abs(settings.learningRate(atStep: 4, of: 10) - (1 + 0.5.squareRoot())) < 1e-12)
    #expect(settings.learningRate(atStep: 9, of: 10) > 0)
    #expect(settings.learningRate(atStep: 10, of: 10) < 1e-12)
    let rates = (2..<10).map { settings.learningRate(atStep: $0, of: 10) }
    #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 > $1 })
  }

  @Test func aConstantRateStays() {
    let settings = GradientTraining(learningRate: 0.5, warmup: 1, schedule: .constant)
    #expect(
      (0..<9).map { settings.learningRate(atStep: $0, of: 9) } == Array(repeating: 0.5, count: 9))
  }

  @Test func aWarmUpLongerThanTheRunIsFollowed() {
    let settings = GradientTraining(learningRate: 1, warmup: 8)
    #expect(settings.learningRate(atStep: 3, of: 4) == 0.5)
    #expect(settings.learningRate(atStep: 9, of: 4) >= 0)
  }

  @Test func usualSettingsAreAccepted() throws {
    try GradientTraining().check()
    try GradientTraining(weightDecay: 0, beta1: 0, beta2: 0, gradientClip: nil, maximumTokens: 2)
      .check()
  }

  @Test(arguments: [
    ("localSteps", GradientTraining(localSteps: 0)),
    ("batchSize", GradientTraining(batchSize: 0)),
    ("batchSize", GradientTraining(batchSize: .max)),
    ("warmup", GradientTraining(warmup: -1)),
    ("maximumTokens", GradientTraining(maximumTokens: 1)),
    ("learningRate", GradientTraining(learningRate: 0)),
    ("learningRate", GradientTraining(learningRate: .nan)),
    ("epsilon", GradientTraining(epsilon: 0)),
    ("gradientClip", GradientTraining(gradientClip: .infinity)),
    ("beta1", GradientTraining(beta1: 1)),
    ("beta2", GradientTraining(beta2: -0.1)),
    ("weightDecay", GradientTraining(weightDecay: -1)),
    ("weightDecay", GradientTraining(weightDecay: .nan)),
  ])
  func aSettingOutOfRangeIsNamed(_ name: String, _ settings: GradientTraining) {
    do throws(TrainingError) {
      try settings.check()
      Issue.record("accepted \(settings)")
    } catch {
      guard case .badSetting(name, _, _) = error else {
        Issue.record("\(error)")
        return
      }
    }
  }

  @Test func settingsSurviveJSON() throws {
    let settings = GradientTraining(learningRate: 3e-4, warmup: 5, schedule: .constant)
    let data = try JSONEncoder().encode(settings)
    #expect(try JSONDecoder().decode(GradientTraining.self, from: data) == settings)
  }
}
