// SPDX-License-Identifier: Apache-2.0
import Rounds
import Testing

@Suite struct VocabularyTests {
  @Test(arguments: ["a", "worker-1", "A.b_C-9", String(repeating: "x", count: 64)])
  func aNameIsLettersDigitsAndAFewMarks(name: String) {
    #expect(WorkerID(rawValue: name)?.description == name)
    #expect(RunID(rawValue: name)?.description == name)
  }

  @Test(arguments: [
    "", ".", "..", "a b", "a/b", "ä", "a\n", "a\0", String(repeating: "x", count: 65),
  ])
  func anythingElseIsNoName(name: String) {
    #expect(WorkerID(rawValue: name) == nil)
    #expect(RunID(rawValue: name) == nil)
  }

  @Test func workersAreOrderedByTheBytesOfTheirNames() {
    let names = ["w10", "W2", "w2", "w1", "a", "w-1"].map(worker)
    #expect(names.sorted().map(\.rawValue) == ["W2", "a", "w-1", "w1", "w10", "w2"])
  }

  @Test func timesAndDurationsAddUp() {
    let time = RunTime(nanoseconds: 5) + .milliseconds(2)
    #expect(time.nanoseconds == 2_000_005)
    #expect(time - RunTime(nanoseconds: 5) == .milliseconds(2))
    #expect(Duration.seconds(-3).wholeNanoseconds == -3_000_000_000)
    #expect((Duration.nanoseconds(7) / 2).wholeNanoseconds == 3)
  }
}
