// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// How processes end that come too late, or are no longer wanted.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct EndingTests {
  @Test func aRunThatIsOverTellsWhoComesLateAndBothEndWell() async throws {
    let site = try Site(versions: 2)
    var coordinator = try await site.startCoordinator()
    var workers = try Site.workers.map { try site.startWorker($0) }
    try await site.wait("the run ends") { !coordinator.isRunning }
    for worker in workers { try await site.wait("a worker ends") { !worker.isRunning } }
    let adapter = try site.bytes(of: Site.adapter)
    try FileManager.default.removeItem(atPath: "\(site.folder)/\(Site.adapter)")

    coordinator = try site.launchCoordinator()
    try await site.wait("it waits for them") {
      site.text(of: "coordinator.log").contains("worker-1, worker-2, worker-3")
    }
    #expect(try site.bytes(of: Site.adapter) == adapter, "written before anybody is waited for")
    let begin = ContinuousClock.now
    workers = try Site.workers.map { try site.startWorker($0) }
    for process in workers + [coordinator] {
      try await site.wait("all end") { !process.isRunning }
      #expect(process.terminationStatus == 0)
    }
    #expect(.now - begin < .seconds(15), "and not only when its patience ends")
    for worker in Site.workers {
      #expect(site.lineCount(of: "\(worker).log", with: "the run is over: version 2") == 2)
    }
  }

  @Test func aWorkerWithoutACoordinatorGivesUpWhenItWasToldTo() async throws {
    let site = try Site()
    let (listener, port) = try listeningSocket()
    close(listener)
    let begin = ContinuousClock.now
    let worker = try site.startWorker("worker-1", port: port, arguments: ["--give-up-after", "2s"])
    try await site.wait("it gives up") { !worker.isRunning }
    #expect(.now - begin >= .seconds(2))
    #expect(worker.terminationStatus == 4)
    #expect(site.lineCount(of: "worker-1.log", with: "error: ", "giving up", "refused") == 1)
  }

  @Test func aWorkerThatIsTerminatedEndsWhileItLooksForItsCoordinator() async throws {
    let site = try Site()
    let (listener, port) = try listeningSocket()
    close(listener)
    let worker = try site.startWorker("worker-1", port: port)
    try await site.wait("it looks") { site.text(of: "worker-1.log").contains("trying again") }
    try await expectEnd(of: worker, in: site)
  }

  @Test func aWorkerThatIsTerminatedEndsWhileItTrains() async throws {
    let site = try Site(localSteps: 1_000_000)
    let coordinator = try await site.startCoordinator()
    let workers = try Site.workers.map { try site.startWorker($0) }
    try await site.wait("they train") {
      site.text(of: "coordinator.log").contains(/step [0-9]+/) || !coordinator.isRunning
    }
    try await expectEnd(of: workers[0], in: site)
  }

  /// That a process ends well before anybody would kill it, and says nothing was wrong.
  private func expectEnd(of process: Process, in site: Site) async throws {
    let begin = ContinuousClock.now
    kill(process.processIdentifier, SIGTERM)
    try await site.wait("it ends") { !process.isRunning }
    #expect(.now - begin < .seconds(5))
    #expect(process.terminationReason == .exit)
    #expect(process.terminationStatus == 130)
    #expect(!site.text(of: "worker-1.log").contains("error: "))
  }

  @Test func aSimulationThatIsInterruptedSaysNothingAboutConnections() async throws {
    let site = try Site(versions: 1000)
    let simulation = try site.start("tern", ["simulate", "run.yaml"], log: "simulation")
    try await site.wait("it goes on") {
      site.text(of: "simulation.log").contains("version 2/") || !simulation.isRunning
    }
    kill(simulation.processIdentifier, SIGINT)
    try await site.wait("it ends") { !simulation.isRunning }
    #expect(simulation.terminationStatus == 130)
    #expect(!site.text(of: "simulation.log").contains("not connected"))
  }
}
