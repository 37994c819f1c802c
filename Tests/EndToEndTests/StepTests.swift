// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Runs whose workers take each step together, so that losses travel instead of updates.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct StepTests {
  private func site(versions: Int, parallel: String = "perturbations") throws -> Site {
    let site = try Site(versions: versions)
    let gradients = "{local-steps: 3, batch-size: 4, learning-rate: 1e-2}"
    let steps =
      "{method: zeroth-order, parallel: \(parallel), shares: equal, batch-size: 4, queries: 4, "
      + "learning-rate: 2e-2}"
    let file = site.text(of: "run.yaml")
    try #require(file.contains(gradients))
    let updates = try #require(file.firstMatch(of: /(?m)^updates:.*\n(^[ ].*\n)*/))
    try site.write(
      file.replacing(gradients, with: steps).replacing(updates.0, with: ""), to: "run.yaml")
    return site
  }

  @Test func fourProcessesAndOneMakeTheSameBitsAndTheLogMakesThemAgain() async throws {
    let site = try site(versions: 120)
    let simulation = try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    let measured = simulation.output.matches(of: /version [0-9]+ on .*: loss ([0-9.]+)/)
      .compactMap { Double($0.1) }
    try #require(measured.count == 2, "\(simulation.output)")
    #expect(measured[1] < 0.9 * measured[0], "\(measured)")

    try await site.runInProcesses()
    let simulated = try site.bytes(of: "simulated/adapter/adapter_model.safetensors")
    #expect(try site.bytes(of: Site.adapter) == simulated)

    let replay = try site.run("tern", ["runs", "replay", "tiny", "--format", "json"])
    #expect(replay.output.contains("\"compared_versions\":3"), "\(replay.output)")
    try site.run("tern", ["runs", "export", "tiny", "-o", "exported"])
    #expect(try site.bytes(of: "exported/adapter_model.safetensors") == simulated)
    #expect(try site.run("tern", ["runs", "show", "tiny"]).output.contains("120 of 120"))
  }

  @Test func workersWithTheSameFileEvaluateOneSignEach() async throws {
    let site = try site(versions: 40, parallel: "signs")
    try site.write(site.text(of: "data/worker-1.jsonl"), to: "data/worker-3.jsonl")
    let check = try site.run("tern", ["check", "run.yaml"]).output
    #expect(check.contains(/pairs +worker-1 and worker-3/), "\(check)")
    let simulation = try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    #expect(simulation.output.contains("3 workers (1 pair)"), "\(simulation.output)")

    try await site.runInProcesses { _ in ["--share-data-digest"] }
    #expect(!site.text(of: "worker-1.log").contains("--share-data-digest"))
    #expect(
      try site.bytes(of: Site.adapter)
        == site.bytes(of: "simulated/adapter/adapter_model.safetensors"))
    #expect(site.text(of: "coordinator.log").contains("3 workers (1 pair)"))
    let output = try site.run(
      "tern", ["check", "run.yaml", "--set", "training.estimator=one-sided"], expecting: 2
    ).output
    #expect(output.contains("two-sided with 'parallel: signs'"), "\(output)")
  }

  @Test func whoSaysNothingOfItsDataHasNoPartner() async throws {
    let site = try site(versions: 3, parallel: "signs")
    try site.write(site.text(of: "data/worker-1.jsonl"), to: "data/worker-3.jsonl")
    try await site.runInProcesses()
    #expect(site.text(of: "coordinator.log").contains("3 workers (0 pairs)"))
    #expect(site.text(of: "worker-1.log").contains("give --share-data-digest"))
  }

  @Test func whoIsKilledComesBackAndTheRunGoesOnFromTheLog() async throws {
    let site = try site(versions: 500)
    let coordinator = try await site.startCoordinator()
    // Steps take that long at least, so that the run outlasts who is killed on any machine.
    let proxy = try site.makeProxy(latency: .milliseconds(3))
    let workers = try Site.workers.map {
      try site.startWorker($0, port: $0 == "worker-3" ? proxy.port : nil)
    }
    try await site.wait("some versions are made") {
      site.text(of: "coordinator.log").contains(/version [0-9]{2,3}\/500/)
    }
    kill(workers[0].processIdentifier, SIGKILL)
    try await site.wait("the worker is missed") {
      site.text(of: "coordinator.log").contains("worker-1 left")
    }
    kill(coordinator.processIdentifier, SIGKILL)
    try await site.wait("the coordinator is dead") { !coordinator.isRunning }
    let again = try await site.startCoordinator()
    let late = try site.startWorker(Site.workers[0])
    try await site.wait("the run ends") { !again.isRunning }
    #expect(again.terminationStatus == 0, "\(site.text(of: "coordinator.log"))")
    for worker in [late, workers[1], workers[2]] {
      try await site.wait("a worker ends") { !worker.isRunning }
      #expect(worker.terminationStatus == 0)
    }
    #expect(site.text(of: "coordinator.log").contains(/going on from version [1-9]/))
    let replay = try site.run("tern", ["runs", "replay", "tiny"])
    #expect(replay.output.contains("compared  10 versions"), "\(replay.output)")
  }
}
