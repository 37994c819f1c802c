// SPDX-License-Identifier: Apache-2.0
import Rounds
import Testing

@testable import Programs

@Suite struct WordingTests {
  @Test(arguments: [
    (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (154_321, "154.3 kB"),
    (4_976_640, "5.0 MB"), (2_500_000_000, "2.50 GB"),
  ])
  func bytesAreRounded(count: Int, text: String) {
    #expect(byteText(count) == text)
  }

  @Test(arguments: [
    (Duration.seconds(-1), "0 s"), (.milliseconds(1_400), "1 s"), (.seconds(600), "10 min"),
    (.seconds(9_000), "2.5 h"),
  ])
  func durationsAreRounded(duration: Duration, text: String) {
    #expect(durationText(duration) == text)
  }

  @Test(arguments: [
    (373, 1, "373.0 steps/s"), (1, 1, "1.0 steps/s"), (2, 33, "16.5 s/step"), (0, 5, "0.0 steps/s"),
    (3, 0, "3000000000.0 steps/s"),
  ])
  func slowStepsHaveTheTimeOfOne(count: Int, seconds: Double, text: String) {
    #expect(rateText(count, in: seconds) == text)
  }

  @Test func datesAreInUTC() {
    #expect(dateText(RunTime(nanoseconds: 0)) == "1970-01-01T00:00:00Z")
  }
}
