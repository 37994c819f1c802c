// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Four real processes over TLS on loopback.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct RunTests {
  @Test func fourProcessesAndOneLearnTheSameBits() async throws {
    let site = try Site()
    let coordinator = try await site.startCoordinator()
    let workers = try Site.workers.map { try site.startWorker($0) }
    try await site.wait("the run ends") { !coordinator.isRunning }
    #expect(coordinator.terminationStatus == 0, "\(site.text(of: "coordinator.log"))")
    for worker in workers { try await site.wait("a worker ends") { !worker.isRunning } }
    #expect(workers.allSatisfy { $0.terminationStatus == 0 })

    try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    let simulated = try site.bytes(of: "simulated/adapter/adapter_model.safetensors")
    #expect(try site.bytes(of: Site.adapter) == simulated)

    let evaluated = try site.run(
      "tern",
      [
        "evaluate", "--model", Site.model, "--adapter", "runs/tiny/adapter", "--data",
        "data/held-out.jsonl", "--format", "json",
      ])
    #expect(evaluated.output.contains("\"accuracy\""))
    let metrics = site.text(of: "runs/tiny/metrics.jsonl").split(separator: "\n")
    #expect(metrics.count { $0.contains("\"committed\"") } == 4)
    #expect(try site.run("tern", ["runs", "list"]).output.contains("tiny\tversion 4/4"))
  }

  @Test func killedProcessesComeBackAndTheBitsAreTheSame() async throws {
    let site = try Site(versions: 6, localSteps: 6)
    try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    var coordinator = try await site.startCoordinator()
    var workers = try Site.workers.map { try site.startWorker($0) }

    try await site.wait("a version exists") {
      site.text(of: "runs/tiny/metrics.jsonl").contains("\"committed\"") || !coordinator.isRunning
    }
    kill(coordinator.processIdentifier, SIGKILL)
    kill(workers[1].processIdentifier, SIGKILL)
    coordinator.waitUntilExit()
    workers[1].waitUntilExit()
    coordinator = try await site.startCoordinator()
    workers[1] = try site.startWorker(Site.workers[1])

    try await site.wait("the run ends") { !coordinator.isRunning }
    #expect(coordinator.terminationStatus == 0, "\(site.text(of: "coordinator.log"))")
    #expect(
      try site.bytes(of: Site.adapter)
        == site.bytes(of: "simulated/adapter/adapter_model.safetensors"))
  }

  @Test func whatIsWrongIsSaidInOneLineWithItsExitCode() async throws {
    let site = try Site()
    func complaint(_ program: String, _ arguments: [String], code: Int32) throws -> String {
      let result = try site.run(program, arguments, expecting: code)
      let lines = result.output.split(separator: "\n").filter { $0.hasPrefix("error: ") }
      #expect(lines.count == 1, "\(result.output)")
      return String(lines.first ?? "")
    }
    let unknown = try complaint(
      "tern", ["check", "run.yaml", "--set", "training.local-stesp=3"], code: 2)
    #expect(unknown.contains("did you mean 'training.local-steps'?"))
    #expect(
      try complaint("tern", ["check", "run.yaml", "--set", "model=none"], code: 2)
        .contains("none"))
    try site.write("{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": 3}\n", to: "bad.jsonl")
    #expect(
      try complaint(
        "tern", ["evaluate", "--model", Site.model, "--data", "bad.jsonl"], code: 2
      ).contains("2"))
    let again = try complaint("tern", ["certificates", "create", "localhost"], code: 2)
    #expect(again.contains("certificates"))
  }

  @Test func aWorkerWithAnotherModelIsRefusedWithBothDigests() async throws {
    let site = try Site()
    let coordinator = try await site.startCoordinator()
    let other = URL(filePath: Site.model).deletingLastPathComponent()
      .appending(path: "qwen2").path
    let worker = try site.startWorker("worker-1", arguments: ["--model", other])
    try await site.wait("the worker gives up") { !worker.isRunning }
    #expect(worker.terminationStatus == 3)
    let digests = site.text(of: "worker-1.log").matches(of: /[0-9a-f]{64}/)
    #expect(digests.count == 2, "\(site.text(of: "worker-1.log"))")
    #expect(coordinator.isRunning)
  }

  @Test func aSecondCoordinatorOfARunIsRefusedAndDisturbsNothing() async throws {
    let site = try Site()
    let coordinator = try await site.startCoordinator()
    let endpoint = site.text(of: "runs/tiny/endpoint")
    let second = try site.run("tern-coordinator", ["run.yaml"], expecting: 4)
    #expect(second.output.contains("in use by process \(coordinator.processIdentifier)"))
    #expect(site.text(of: "runs/tiny/endpoint") == endpoint)
    #expect(coordinator.isRunning)
  }

  @Test func aStrangersCertificateIsRefusedOnBothSidesWithTheReason() async throws {
    let site = try Site()
    let coordinator = try await site.startCoordinator()
    try site.run("tern", ["certificates", "create", "127.0.0.1", "--folder", "other"])
    try site.run("tern", ["certificates", "issue", "worker-1", "--folder", "other"])
    let stranger = try site.startWorker(
      "worker-1", arguments: ["--certificates", "other/workers/worker-1"])
    try await site.wait("the stranger gives up") { !stranger.isRunning }
    #expect(stranger.terminationStatus == 3)
    #expect(site.text(of: "worker-1.log").contains("error: certificate 'coordinator' refused"))
    #expect(site.text(of: "coordinator.log").contains("refused this certificate"))
    #expect(coordinator.isRunning)
  }
}
