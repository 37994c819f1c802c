// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Runs that learn changes of the weights themselves.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct WeightAdapterRunTests {
  /// What travels, whether losses or updates, is what it is for factors.
  private static let methods = [
    "{method: zeroth-order, parallel: perturbations, shares: equal, batch-size: 4, queries: 8, "
      + "perturbation: 1e-3, learning-rate: RATE}",
    "{method: zeroth-order, local-steps: 8, batch-size: 8, queries: 8, perturbation: 1e-3, "
      + "learning-rate: RATE}",
  ]

  @Test(arguments: [
    ("sparse, rank: 4", "2e-3", methods[0], 30),
    ("scales, block-length: 16", "2e-2", methods[0], 30),
    ("sparse, rank: 2, targets: [q_proj, down_proj]", "4e-3", methods[1], 3),
  ])
  func fourProcessesAndOneLearnTheSameBits(
    form: String, rate: String, method: String, versions: Int
  ) async throws {
    let site = try Site(versions: versions)
    var file = site.text(of: "run.yaml")
    for (part, other) in [
      ("adapter: {rank: 4, alpha: 8}", "adapter: {form: \(form)}"),
      (
        "{local-steps: 3, batch-size: 4, learning-rate: 1e-2}",
        method.replacing("RATE", with: rate)
      ),
    ] {
      try #require(file.contains(part))
      file = file.replacing(part, with: other)
    }
    let updates = try #require(file.firstMatch(of: /(?m)^updates:.*\n(^[ ].*\n)*/))
    try site.write(file.replacing(updates.0, with: ""), to: "run.yaml")
    #expect(try site.run("tern", ["check", "run.yaml"]).output.contains(form.prefix(6)))
    let simulation = try site.run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    let measured = simulation.output.matches(of: /version [0-9]+ on .*: loss ([0-9.]+)/)
      .compactMap { Double($0.1) }
    try #require(measured.count == 2, "\(simulation.output)")
    #expect(measured[1] < 0.97 * measured[0], "\(measured)")

    try await site.runInProcesses()
    let simulated = try site.bytes(of: "simulated/adapter/adapter_model.safetensors")
    #expect(try site.bytes(of: Site.adapter) == simulated)

    // The adapter is in its folder what it was in the run.
    try site.run("tern", ["runs", "export", "tiny", "-o", "exported"])
    #expect(try site.bytes(of: "exported/adapter_model.safetensors") == simulated)
    let evaluation = try site.run(
      "tern",
      [
        "evaluate", "--model", Site.model, "--adapter", "exported", "--data",
        "data/held-out.jsonl", "--format", "json",
      ])
    let loss = try #require(evaluation.output.firstMatch(of: /"loss":([0-9.]+)/))
    let found = try #require(Double(loss.1))
    #expect(abs(found - measured[1]) < 1e-4, "\(found), \(measured)")
    let inspection = try site.run("tern", ["inspect", "exported"])
    #expect(inspection.output.contains(form.prefix(6)), "\(inspection.output)")
  }
}
