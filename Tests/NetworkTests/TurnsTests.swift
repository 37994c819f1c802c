// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Network

@Suite(.timeLimit(.minutes(1))) struct TurnsTests {
  @Test func oneAtATime() async throws {
    let turns = Turns()
    let inside = Shared(0)
    let total = Shared(0)
    try await withThrowingTaskGroup { group in
      for _ in 0..<200 {
        group.addTask {
          try await turns.take {
            inside.change {
              $0 += 1
              #expect($0 == 1)
            }
            await Task.yield()
            inside.change { $0 -= 1 }
            total.change { $0 += 1 }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(total.value == 200)
  }

  @Test func aCancelledWaiterLeavesTheQueueAndHoldsNoOne() async throws {
    let turns = Turns()
    let (entered, entrance) = AsyncStream.makeStream(of: Void.self)
    let (gate, opener) = AsyncStream.makeStream(of: Void.self)
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await turns.take {
          entrance.yield()
          for await _ in gate { break }
        }
      }
      for await _ in entered { break }
      await withTaskGroup { waiters in
        waiters.addTask {
          await #expect(throws: CancellationError.self) {
            try await turns.take { Issue.record("a cancelled waiter got in") }
          }
        }
        waiters.cancelAll()
      }
      opener.yield()
      try await group.waitForAll()
    }
    #expect(try await turns.take { 7 } == 7)
  }

  @Test func anErrorInsideLetsTheNextOneIn() async throws {
    let turns = Turns()
    await #expect(throws: NetworkError.closed) {
      try await turns.take { throw NetworkError.closed }
    }
    #expect(try await turns.take { 7 } == 7)
  }
}
