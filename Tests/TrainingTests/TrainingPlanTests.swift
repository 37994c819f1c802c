// SPDX-License-Identifier: Apache-2.0
import Models
import Testing
import Training

/// Plans come from elsewhere: no number in them may end the process.
@Suite struct TrainingPlanTests {
  @Test func whatCannotBeIsRefusedBeforeAnythingIsPlannedWithIt() {
    let plans: [(TrainingPlan, versions: Int)] = [
      (.gradient(GradientTraining(batchSize: -1)), 5), (.gradient(GradientTraining()), 0),
      (.gradient(GradientTraining(batchSize: .max)), 5),
      (.zerothOrder(ZerothOrderTraining()), -1),
      (.zerothOrder(ZerothOrderTraining(queryCount: 0)), 5),
      (.zerothOrder(ZerothOrderTraining(queryCount: .max)), 5),
      (.zerothOrder(ZerothOrderTraining(batchSize: 0)), 5),
      (.zerothOrder(ZerothOrderTraining(localSteps: 1_000_000)), 5_000),
      (.zerothOrder(ZerothOrderTraining(localSteps: 1_000_000)), .max),
    ]
    for (plan, versions) in plans {
      #expect(throws: TrainingError.self, "\(plan)") { try plan.check(totalVersions: versions) }
    }
  }

  @Test func whoEvaluatesOneSignEachMultipliesAlikeUnlessToldOtherwise() {
    for parallelism in ZerothOrderTraining.Parallelism.allCases {
      let plan = TrainingPlan.zerothOrder(
        ZerothOrderTraining(localSteps: 1, parallelism: parallelism))
      #expect(plan.precision == (parallelism == .signs ? .f32 : nil))
    }
  }

  @Test func theLastStepThatHasANumberIsAllowed() throws {
    let steps = ZerothOrderTraining(localSteps: 65_537)
    try TrainingPlan.zerothOrder(steps).check(totalVersions: 65_535)
    #expect(throws: TrainingError.self) {
      try TrainingPlan.zerothOrder(steps).check(totalVersions: 65_536)
    }
    try TrainingPlan.gradient(GradientTraining(localSteps: 1_000_000)).check(totalVersions: 1 << 40)
  }
}
