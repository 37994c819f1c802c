// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Runs whose workers learn by losses alone.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ZerothOrderTests {
  @Test func theyLearnAndFourProcessesAndOneLearnTheSameBits() async throws {
    let site = try Site(versions: 5)
    let gradients = "{local-steps: 3, batch-size: 4, learning-rate: 1e-2}"
    let losses =
      "{method: zeroth-order, local-steps: 8, batch-size: 8, queries: 8, learning-rate: 3e-2}"
    let file = site.text(of: "run.yaml")
    try #require(file.contains(gradients))
    try site.write(file.replacing(gradients, with: losses), to: "run.yaml")
    let simulation = try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    let measured = simulation.output.matches(of: /version [0-9]+ on .*: loss ([0-9.]+)/)
      .compactMap { Double($0.1) }
    try #require(measured.count == 2, "\(simulation.output)")
    #expect(measured[1] < 0.97 * measured[0], "\(measured)")

    let coordinator = try await site.startCoordinator()
    let workers = try Site.workers.enumerated().map { index, worker in
      try site.startWorker(worker, arguments: index == 1 ? ["--memory", "60MB"] : [])
    }
    try await site.wait("the run ends") { !coordinator.isRunning }
    #expect(coordinator.terminationStatus == 0, "\(site.text(of: "coordinator.log"))")
    for worker in workers { try await site.wait("a worker ends") { !worker.isRunning } }
    // What each version says of its gradient is in the worker's log.
    #expect(
      site.lineCount(of: "worker-1.log", with: "step 8 of 8: gradient", "halves agree") == 5)
    let simulated = try site.bytes(of: "simulated/adapter/adapter_model.safetensors")
    #expect(try site.bytes(of: Site.adapter) == simulated)
  }
}
