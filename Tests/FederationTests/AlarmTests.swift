// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Federation

@Suite(.timeLimit(.minutes(1))) struct AlarmTests {
  @Test func itWakesOnceAndNotBeforeItsTime() async throws {
    let alarm = Alarm()
    let begin = ContinuousClock.now
    alarm.set(after: .milliseconds(30))
    try await alarm.wait()
    #expect(.now - begin >= .milliseconds(30))
    // It is not due again: whoever waits is there until it is set.
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await alarm.wait() }
      alarm.set(after: .zero)
      try await group.next()
    }
  }

  @Test func anEarlierTimeTakesThePlaceOfALaterOne() async throws {
    let alarm = Alarm()
    alarm.set(after: .seconds(3600))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await alarm.wait() }
      alarm.set(after: .milliseconds(10))
      try await group.next()
    }
  }

  @Test func aLaterTimeTakesThePlaceOfAnEarlierOne() async throws {
    let alarm = Alarm()
    alarm.set(after: .milliseconds(1))
    alarm.set(after: .milliseconds(60))
    let begin = ContinuousClock.now
    try await alarm.wait()
    #expect(.now - begin >= .milliseconds(50))
  }

  @Test func whoeverWaitsCanBeCancelled() async {
    let alarm = Alarm()
    alarm.set(after: .seconds(3600))
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        do {
          try await alarm.wait()
          return false
        } catch {
          return error is CancellationError
        }
      }
      group.cancelAll()
      #expect(await group.next() == true)
    }
  }
}
