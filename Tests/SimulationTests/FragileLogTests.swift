// SPDX-License-Identifier: Apache-2.0
import Federation
import Rounds
import Testing

@testable import Simulation

@Suite struct FragileLogTests {
  private func log() throws -> FragileLog { try Fleet(seed: 1, isWritten: false).log }

  @Test func aWriterDiesBeforeOrAfterTheWriteThatWasDrawn() throws {
    let time = RunTime(nanoseconds: 1)
    for isAfter in [false, true] {
      let log = try log()
      log.arm(after: 1, isAfter: isAfter)
      try log.append(.restarted, at: time)
      #expect(throws: FragileLog.Killed.self) { try log.append(.woke, at: time) }
      #expect(log.writeCount == (isAfter ? 2 : 1))
      #expect(log.events.count == log.writeCount)
      try log.append(.woke, at: time)
      #expect(log.writeCount == (isAfter ? 3 : 2))
    }
  }

  @Test func whatWasWrittenIsRecovered() throws {
    let log = try log()
    let time = RunTime(nanoseconds: 1_700_000_000_000_000_009)
    var engine = try log.recovered().engine
    _ = engine.handle(.restarted, at: time)
    try log.append(.restarted, at: time)
    #expect(try log.recovered().engine == engine)
  }
}
