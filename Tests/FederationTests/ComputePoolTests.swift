// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing

@testable import Federation

@Suite(.timeLimit(.minutes(1))) struct ComputePoolTests {
  /// What many jobs change and look at.
  private final class Board: Sendable {
    let isOver = Atomic(false)
    let counts = Mutex((now: 0, most: 0))

    func enter() {
      counts.withLock { counts in
        counts.now += 1
        counts.most = max(counts.most, counts.now)
      }
    }

    func leave() { counts.withLock { $0.now -= 1 } }
  }

  /// Heartbeats are such tasks: they wait for a time, and then have something to do at once.
  @Test func arithmeticOnAllCoresKeepsNobodyWaiting() async throws {
    let count = 2 * ProcessInfo.processInfo.activeProcessorCount
    let (pool, board) = (ComputePool(threadCount: count), Board())
    let deadline = ContinuousClock.now + .seconds(20)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<count {
        group.addTask {
          let isKept = try await pool.run {
            while !board.isOver.load(ordering: .relaxed), .now < deadline {}
            return .now < deadline
          }
          #expect(isKept, "nothing else ran for 20 seconds")
        }
      }
      group.addTask {
        for _ in 0..<20 { try await Task.sleep(for: .milliseconds(1)) }
        board.isOver.store(true, ordering: .relaxed)
      }
      try await group.waitForAll()
    }
  }

  /// As many as it has threads, for none goes on before; and never more.
  @Test(arguments: [1, 3]) func itRunsSoManyJobsAtOnce(threadCount: Int) async throws {
    let (pool, board) = (ComputePool(threadCount: threadCount), Board())
    try await withThrowingTaskGroup(of: Int.self) { group in
      for job in 0..<40 {
        group.addTask {
          try await pool.run {
            board.enter()
            while board.counts.withLock({ $0.most }) < threadCount {}
            board.leave()
            return job
          }
        }
      }
      var results: [Int] = []
      for try await result in group { results.append(result) }
      #expect(results.sorted() == Array(0..<40))
    }
    let counts = board.counts.withLock { $0 }
    #expect(counts.now == 0 && counts.most == threadCount)
  }

  @Test func whatIsThrownArrives() async {
    struct Fault: Error {}
    await #expect(throws: Fault.self) {
      try await ComputePool(threadCount: 1).run { throw Fault() }
    }
  }
}
