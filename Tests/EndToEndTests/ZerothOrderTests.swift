// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Runs whose workers learn by losses alone.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ZerothOrderTests {
  /// Of 64 directions that three workers send five bytes each for, as many are sent down: all of them,
  /// or one mean for each; of a pool one for each of those that were ever drawn.
  @Test(arguments: [
    ("own", 3 * 3 * 450), ("shared", 3 * 450), ("pool, pool-size: 200", 3 * 200 * 6),
  ])
  func theyLearnAndFourProcessesAndOneLearnTheSameBits(
    directions: String, sentLimit: Int
  ) async throws {
    let site = try Site(versions: 5)
    let gradients = "{local-steps: 3, batch-size: 4, learning-rate: 1e-2}"
    let losses =
      "{method: zeroth-order, local-steps: 8, batch-size: 8, queries: 8, learning-rate: 3e-2, "
      + "directions: \(directions)}"
    let file = site.text(of: "run.yaml")
    try #require(file.contains(gradients))
    let codecs = file.replacing(/updates:\n.*\n.*\n/, with: "")
    try #require(codecs != file)
    try site.write(codecs.replacing(gradients, with: losses), to: "run.yaml")
    let simulation = try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    let measured = simulation.output.matches(of: /version [0-9]+ on .*: loss ([0-9.]+)/)
      .compactMap { Double($0.1) }
    try #require(measured.count == 2, "\(simulation.output)")
    #expect(measured[1] < 0.97 * measured[0], "\(measured)")

    try await site.runInProcesses { $0 == "worker-2" ? ["--memory", "60MB"] : [] }
    // What each version says of its gradient is in the worker's log.
    #expect(
      site.lineCount(of: "worker-1.log", with: "step 8 of 8: gradient", "halves agree") == 5)
    let simulated = try site.bytes(of: "simulated/adapter/adapter_model.safetensors")
    #expect(try site.bytes(of: Site.adapter) == simulated)
    // Steps travel, and no changes: three workers sent 8 steps of 8 directions in each version.
    let received = site.text(of: "runs/tiny/metrics.jsonl")
      .matches(of: /"received_byte_count":([0-9]+)/).compactMap { Int($0.1) }
    #expect(received.count == 5 && received.allSatisfy { $0 < 3 * 450 }, "\(received)")
    let sent = site.text(of: "runs/tiny/metrics.jsonl")
      .matches(of: /"sent_byte_count":([0-9]+)/).compactMap { Int($0.1) }
    #expect(sent.count == 5 && sent.dropFirst().allSatisfy { $0 < sentLimit }, "\(sent)")
  }

  @Test func aMixedRunIsTheSameInFourProcessesAndInOne() async throws {
    let site = try Site(versions: 3)
    let gradients = "{local-steps: 3, batch-size: 4, learning-rate: 1e-2}"
    var file = site.text(of: "run.yaml").replacing(
      gradients,
      with: "{method: mixed, gradient: \(gradients), "
        + "zeroth-order: {local-steps: 4, batch-size: 4, learning-rate: 1e-2}}")
    for (worker, method) in [("worker-2", "zeroth-order"), ("worker-3", "gradient")] {
      file = file.replacing(
        "data/\(worker).jsonl}", with: "data/\(worker).jsonl, method: \(method)}")
    }
    try site.write(file, to: "run.yaml")
    try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])

    let methods = ["worker-2": "zeroth-order", "worker-3": "gradient"]
    try await site.runInProcesses { worker in methods[worker].map { ["--method", $0] } ?? [] }
    for (worker, method) in zip(Site.workers, ["gradients", "losses alone", "gradients"]) {
      #expect(site.lineCount(of: "\(worker).log", with: "learning by \(method)") == 1)
    }
    let simulated = try site.bytes(of: "simulated/adapter/adapter_model.safetensors")
    #expect(try site.bytes(of: Site.adapter) == simulated)
  }

  @Test func aWorkerOfTheWrongMethodSaysSo() async throws {
    let site = try Site(versions: 1)
    let coordinator = try await site.startCoordinator()
    let worker = try site.startWorker("worker-1", arguments: ["--method", "zeroth-order"])
    try await site.wait("the worker ends") { !worker.isRunning }
    #expect(worker.terminationStatus == 2)
    #expect(site.text(of: "worker-1.log").contains("set training.method to mixed"))
    #expect(coordinator.isRunning)
  }
}
