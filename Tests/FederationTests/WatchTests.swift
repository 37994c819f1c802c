// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Federation

/// When a side takes the other for dead.
@Suite(.timeLimit(.minutes(1))) struct WatchTests {
  @Test func whatIsAgreedOnHoldsAtOnceAndNotAfterTheFirstWait() async {
    let watch = Watch()
    let begin = ContinuousClock.now
    watch.adopt(interval: .milliseconds(20), limit: .milliseconds(60))
    await #expect(throws: FederationError.silent("the other")) {
      try await watch.waitForSilence(of: "the other")
    }
    #expect(.now - begin < .seconds(5), "the limit before was ten seconds")
  }

  @Test func whatIsAgreedOnLaterCutsTheFirstWaitShort() async throws {
    let watch = Watch()
    let begin = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect(throws: FederationError.self) {
          try await watch.waitForSilence(of: "the other")
        }
      }
      try await Task.sleep(for: .milliseconds(30))
      watch.adopt(interval: .milliseconds(20), limit: .milliseconds(60))
      try await group.waitForAll()
    }
    #expect(.now - begin < .seconds(5))
  }

  @Test func theTimeThatAnAnswerTakesIsNoSilence() async throws {
    let watch = Watch()
    watch.adopt(interval: .milliseconds(20), limit: .milliseconds(100))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await watch.waitForSilence(of: "the other") }
      let begin = ContinuousClock.now
      try await watch.answer { try await Task.sleep(for: .milliseconds(500)) }
      #expect(watch.silence < .milliseconds(400))
      await #expect(throws: FederationError.silent("the other")) { try await group.next() }
      #expect(.now - begin >= .milliseconds(600))
    }
  }

  @Test func aCancelledWaitEnds() async {
    let watch = Watch()
    await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await watch.waitForSilence(of: "the other") }
      group.cancelAll()
      await #expect(throws: CancellationError.self) { try await group.next() }
    }
  }
}
