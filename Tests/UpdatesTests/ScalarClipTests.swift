// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Updates

struct ScalarClipTests {
  private func scalars(_ values: [Double]) -> [ProjectedGradient] {
    values.map { ProjectedGradient(query: 0, value: $0) }
  }

  /// What becomes of a step's scalars, and how many were shortened.
  private func clipped(_ values: [Double], by clip: inout ScalarClip) -> ([Double], Int) {
    var scalars = scalars(values)
    let count = clip.clip(&scalars)
    for scalar in scalars {
      let step = UpdateRule.sgd.step(0, for: [scalar], learningRate: 0.5)
      clip.note(step, by: .sgd, learningRate: 0.5)
    }
    return (scalars.map(\.value), count)
  }

  @Test func nothingIsShortenedBeforeThereAreTwenty() {
    var clip = ScalarClip()
    _ = clipped([Double](repeating: 1, count: 19), by: &clip)
    #expect(clip.limit == nil)
    #expect(clipped([1e9], by: &clip) == ([1e9], 0))
    // Of 20, the 19th is not exceeded by 95 %.
    #expect(clip.limit == 1.3)
  }

  @Test func theLimitIsThatOfTheLastFifty() {
    var clip = ScalarClip()
    _ = clipped((1...60).map(Double.init), by: &clip)
    // 11 to 60 are left, and 48 of them are at most 58.
    #expect(clip.limit == 1.3 * 58)
    #expect(clipped([100, -100, 75, -3, 0], by: &clip) == ([1.3 * 58, -1.3 * 58, 75, -3, 0], 2))
  }

  @Test func theLimitOfAStepIsTheOneBeforeIt() {
    var clip = ScalarClip()
    _ = clipped([Double](repeating: 1, count: 50), by: &clip)
    #expect(clipped([Double](repeating: 8, count: 10), by: &clip).0.allSatisfy { $0 == 1.3 })
    #expect(clip.limit == 1.3 * Double(Float(1.3)))
  }

  @Test func zerosDoNotShortenWhatFollowsToNothing() {
    var clip = ScalarClip()
    _ = clipped([Double](repeating: 0, count: 60), by: &clip)
    #expect(clip.limit == nil && clip == ScalarClip())
    _ = clipped([Double](repeating: 2, count: 20) + [Double](repeating: 0, count: 60), by: &clip)
    #expect(clip.limit == 2.6)
  }

  @Test func scalarsAreRememberedInTheirUnitsByEveryRule() {
    let scalars = scalars([0.5, -8, 2, 1])
    for (rule, rate) in [
      (UpdateRule.sgd, 0.25), (.momentum(beta: 0.5), 0.125), (.adam(), 0.125),
    ] {
      let step = rule.step(3, for: scalars, learningRate: rate)
      #expect(rule.sizes(of: step, learningRate: rate) == [0.5, 8, 2, 1])
    }
    var clip = ScalarClip()
    clip.note(UpdateRule.sgd.step(3, for: scalars, learningRate: 0), by: .sgd, learningRate: 0)
    #expect(clip == ScalarClip())
  }

  @Test func itIsAPureFunctionOfWhatItSaw() {
    var (one, other) = (ScalarClip(), ScalarClip())
    let values = (0..<77).map { Double($0 * 37 % 23) - 11 }
    for value in values { _ = clipped([value], by: &one) }
    for value in values { _ = clipped([value], by: &other) }
    #expect(one == other && one.limit != nil)
  }
}
