// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// From nothing to a trained adapter, without a file that is copied by hand.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct JoiningTests {
  /// The line that `tern certificates invite` prints.
  private func invitation(_ site: Site, _ name: String, _ options: [String] = []) throws -> String {
    let port = try #require(site.port)
    let result = try site.run(
      "tern",
      ["certificates", "invite", name, "--address", "127.0.0.1:\(port)"] + options)
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == 1, "\(result.output)")
    return String(lines.first ?? "")
  }

  @Test func threeCommandsMakeAWorkerAndTheSameBits() async throws {
    let site = try Site(certificates: false)
    try site.run("tern", ["certificates", "create", "localhost", "127.0.0.1"])
    let coordinator = try await site.startCoordinator()
    let workers = try Site.workers.map {
      try site.startWorker($0, joiningBy: invitation(site, $0))
    }
    try await site.wait("the run ends") { !coordinator.isRunning }
    #expect(coordinator.terminationStatus == 0, "\(site.text(of: "coordinator.log"))")
    for worker in workers { try await site.wait("a worker ends") { !worker.isRunning } }
    #expect(workers.allSatisfy { $0.terminationStatus == 0 })
    try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    #expect(
      try site.bytes(of: "runs/tiny/adapter/adapter_model.safetensors")
        == site.bytes(of: "simulated/adapter/adapter_model.safetensors"))
    // The authority never had a key of theirs, and they never its own.
    let files = FileManager.default.enumerator(atPath: site.folder)?.compactMap { $0 as? String }
    let keys = (files ?? []).filter { $0.hasSuffix(".key") }.sorted()
    #expect(
      keys == ["certificates/authority.key", "certificates/coordinator.key"]
        + Site.workers.map { "\($0)/certificate/worker.key" })
    let list = try site.run("tern", ["certificates", "list"]).output
    #expect(list.split(separator: "\n").count { $0.contains("\tworker\tactive\t") } == 3)
  }

  @Test func aKilledWorkerComesBackByTheSameCommandWithItsCertificateRenewed() async throws {
    let site = try Site(versions: 100_000, certificates: false)
    try site.run("tern", ["certificates", "create", "127.0.0.1"])
    let coordinator = try await site.startCoordinator()
    let lines = try Site.workers.map { try invitation(site, $0, ["--valid", "6s"]) }
    var workers = try zip(Site.workers, lines).map { try site.startWorker($0, joiningBy: $1) }
    try await site.wait("a certificate is renewed") {
      site.text(of: "worker-1.log").contains("certificate renewed")
        || !coordinator.isRunning
    }
    kill(workers[0].processIdentifier, SIGKILL)
    workers[0].waitUntilExit()
    workers[0] = try site.startWorker(Site.workers[0], joiningBy: lines[0])
    func joinCount() -> Int {
      site.text(of: "coordinator.log").components(separatedBy: "worker-1 joined").count - 1
    }
    try await site.wait("the worker is back") { joinCount() == 2 || !workers[0].isRunning }
    let commits = site.text(of: "runs/tiny/metrics.jsonl").count { $0 == "\n" }
    try await site.wait("the run goes on") {
      site.text(of: "runs/tiny/metrics.jsonl").count { $0 == "\n" } > commits + 8
    }
    let log = site.text(of: "coordinator.log")
    #expect(log.contains("certificate renewed") && !log.contains("refused"), "\(log)")
    #expect(coordinator.isRunning && workers.allSatisfy(\.isRunning))
  }

  @Test func aRevokedWorkerEndsWithTheReasonAndTheRunGoesOn() async throws {
    let site = try Site(versions: 100_000, certificates: false)
    try site.run("tern", ["certificates", "create", "127.0.0.1"])
    let coordinator = try await site.startCoordinator()
    let line = try invitation(site, "worker-1")
    let worker = try site.startWorker("worker-1", joiningBy: line)
    try await site.wait("the worker is in") {
      site.text(of: "coordinator.log").contains("worker-1 joined")
    }
    let thief = try site.run(
      "tern-worker",
      ["--join", line, "--model", Site.model, "--data", "data/worker-1.jsonl"], expecting: 3)
    #expect(thief.output.contains("was used with another key"))
    let altered = try site.run(
      "tern-worker",
      ["--join", line + "0", "--model", Site.model, "--data", "data/worker-1.jsonl"],
      expecting: 2)
    #expect(altered.output.contains("error: the invitation is damaged"))

    try site.run("tern", ["certificates", "revoke", "worker-1"])
    try await site.wait("the worker ends") { !worker.isRunning }
    #expect(worker.terminationStatus == 3)
    #expect(site.text(of: "worker-1.log").contains("certificate of worker-1 was revoked"))
    let again = try site.startWorker("worker-1", joiningBy: line)
    try await site.wait("the worker ends again") { !again.isRunning }
    #expect(again.terminationStatus == 3)
    #expect(site.text(of: "worker-1.log").contains("error: the other side refused"))
    #expect(coordinator.isRunning)
    try await site.wait("the refusals are counted") {
      let list = try site.run("tern", ["certificates", "list", "--format", "json"]).output
      // The session and the handshake at least: a worker may have tried more than once.
      let revoked = list.firstMatch(of: /"revoked_certificate":(\d+)/).flatMap { Int($0.1) } ?? 0
      return list.contains("\"used_invitation\":1") && revoked >= 2
    }
    let metrics = site.text(of: "runs/tiny/metrics.jsonl")
    #expect(metrics.contains("\"refused\"") && metrics.contains("was used with another key"))
  }

  @Test func theAuthoritysPassphraseIsNeededWhereItSigns() async throws {
    let site = try Site(versions: 1, certificates: false)
    try site.write("a passphrase\n", to: "passphrase")
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o600], ofItemAtPath: "\(site.folder)/passphrase")
    let file = ["--passphrase-file", "passphrase"]
    try site.run("tern", ["certificates", "create", "127.0.0.1"] + file)
    let missing = try site.run("tern", ["certificates", "issue", "ann"], expecting: 2)
    #expect(missing.output.contains("authority.key is encrypted; give its passphrase"))
    try site.run("tern", ["certificates", "issue", "ann"] + file)
    try site.run("tern", ["certificates", "renew"] + file)

    // Without it the coordinator serves, and says that it lets nobody in.
    let coordinator = try await site.startCoordinator()
    #expect(site.text(of: "coordinator.log").contains("nobody can join"))
    let worker = try site.startWorker("worker-1", joiningBy: invitation(site, "worker-1"))
    try await site.wait("the worker ends") { !worker.isRunning }
    #expect(worker.terminationStatus == 3)
    #expect(site.text(of: "worker-1.log").contains("no certificates are signed here"))
    coordinator.terminate()
    coordinator.waitUntilExit()
    try site.write("another\n", to: "passphrase")
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o600], ofItemAtPath: "\(site.folder)/passphrase")
    let wrong = try site.run("tern-coordinator", ["run.yaml"] + file, expecting: 2)
    #expect(wrong.output.contains("the passphrase is not that of"))
  }
}
