// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// How soon each side notices that the other is gone.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct DetectionTests {
  private static let heartbeat = 500
  /// Three heartbeats, and what a busy machine needs to write a line.
  private static let silence = Duration.milliseconds(3 * heartbeat) + slack
  private static let slack = Duration.milliseconds(500)

  /// A run with two of the three workers that it wants: it waits, and nobody is busy.
  private func waitingRun() async throws -> (Site, coordinator: Process, workers: [Process]) {
    let site = try Site(heartbeat: Self.heartbeat)
    let coordinator = try await site.startCoordinator()
    let names = Site.workers.prefix(2)
    let workers = try names.map { try site.startWorker($0) }
    // A worker knows the heartbeat from its welcome only, and waits for that for ten seconds.
    try await site.wait("both joined, and were welcomed") {
      site.lineCount(of: "coordinator.log", with: " joined from ") == 2
        && names.allSatisfy { site.lineCount(of: "\($0).log", with: "learning by") == 1 }
    }
    return (site, coordinator, workers)
  }

  /// How long it takes from `fault` until a line of a log has all of `words`.
  private func time(
    in site: Site, until name: String, says words: String, from fault: () -> Void
  ) async throws -> Duration {
    let count = site.lineCount(of: name, with: words)
    let begin = ContinuousClock.now
    fault()
    try await site.wait("the line") { site.lineCount(of: name, with: words) > count }
    return .now - begin
  }

  @Test func aKilledWorkerIsNoticedWithinASecond() async throws {
    let (site, _, workers) = try await waitingRun()
    let time = try await time(in: site, until: "coordinator.log", says: "worker-2 left: ") {
      kill(workers[1].processIdentifier, SIGKILL)
    }
    #expect(time < .seconds(1))
    print("a killed worker was noticed after \(time)")
  }

  @Test func aStoppedWorkerIsNoticedWithinThreeHeartbeatsAndWelcomedBack() async throws {
    let (site, _, workers) = try await waitingRun()
    let worker = workers[1].processIdentifier
    let time = try await time(
      in: site, until: "coordinator.log",
      says: "worker-2 left: the worker has been silent for too long"
    ) { kill(worker, SIGSTOP) }
    #expect(time < Self.silence)
    print("a stopped worker was noticed after \(time)")
    _ = try await self.time(
      in: site, until: "coordinator.log", says: "worker-2 joined from "
    ) { kill(worker, SIGCONT) }
  }

  @Test func aKilledCoordinatorIsNoticedWithinASecond() async throws {
    let (site, coordinator, _) = try await waitingRun()
    let time = try await time(in: site, until: "worker-1.log", says: "not connected") {
      kill(coordinator.processIdentifier, SIGKILL)
    }
    #expect(time < .seconds(1))
  }

  @Test func aStoppedCoordinatorIsNoticedWithinThreeHeartbeats() async throws {
    let (site, coordinator, _) = try await waitingRun()
    let time = try await time(
      in: site, until: "worker-1.log", says: "has been silent for too long"
    ) { kill(coordinator.processIdentifier, SIGSTOP) }
    // It says so once the connection is closed, and waits a second for the other side's goodbye.
    #expect(time < Self.silence + .seconds(1))
  }
}
