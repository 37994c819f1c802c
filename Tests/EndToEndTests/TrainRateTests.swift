// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The learning rate that `tern train-rate` proposes.
@Suite(.timeLimit(.minutes(5)))
struct TrainRateTests {
  private let site: Site

  init() throws {
    site = try Site(certificates: false)
    let gradients = "{local-steps: 3, batch-size: 4, learning-rate: 1e-2}"
    let file = site.text(of: "run.yaml")
    try #require(file.contains(gradients))
    try site.write(
      file.replacing(
        gradients,
        with:
          "{method: zeroth-order, local-steps: 3, batch-size: 8, queries: 8, learning-rate: 3e-2}"),
      to: "losses.yaml")
  }

  @Test func theProposalLiesBetweenAHopelesslyLowAndADivergingRate() throws {
    let output = try site.run(
      "tern",
      [
        "train-rate", "losses.yaml", "--worker", "worker-2", "--rates", "100,1e-7,1e-2,1e-1,1000",
        "--steps", "10",
      ]
    ).output
    let setting = try #require(output.firstMatch(of: /--set (training\.learning-rate=(\S+))/))
    let proposal = try #require(Double(setting.2))
    #expect(proposal == 1e-2 || proposal == 1e-1, "\(output)")
    #expect(output.contains("worker-2 learned"), "\(output)")
    // It is said as the run file takes it.
    try site.run("tern", ["check", "losses.yaml", "--set", "\(setting.1)"])
  }

  @Test func theResultIsOneObject() throws {
    let output = try site.run(
      "tern",
      ["train-rate", "losses.yaml", "--rates", "1e-3,1e-2", "--steps", "3", "--format", "json"]
    ).output
    // Progress goes to the standard error, which this test sees too.
    let json = try #require(output.split(separator: "\n").last { $0.hasPrefix("{") })
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(report["command"] as? String == "train-rate")
    #expect(report["worker"] as? String == "worker-1")
    let ladder = try #require(report["ladder"] as? [String: Any])
    let rungs = try #require(ladder["rungs"] as? [[String: Any]])
    #expect(rungs.compactMap { $0["learning_rate"] as? Double } == [1e-3, 1e-2])
    let before = try #require(ladder["loss_before"] as? Double)
    let figures = try rungs.map { try #require($0["figures"] as? [String: Any]) }
    // Little was learned: the gradient is the same for both, and ten times the rate gains more.
    let norms = figures.compactMap { $0["squared_norm"] as? Double }
    #expect(norms.count == 2 && abs(norms[0] / norms[1] - 1) < 0.5)
    let after = rungs.compactMap { $0["loss_after"] as? Double }
    #expect(after.count == 2 && after[1] < after[0] && after[0] < before, "\(output)")
    #expect(report["proposal"] as? Double == 1e-2)
  }

  @Test(arguments: [
    (["run.yaml"], "trains by gradients", 2),
    (["losses.yaml", "--worker", "ann"], "no worker 'ann' among worker-1, worker-2", 2),
    (["losses.yaml", "--rates", "1e-3,fast"], "'fast' is no rate", 64),
    (["losses.yaml", "--steps", "0"], "--steps is 1 to 10000", 64),
  ])
  func whatCannotBeTriedIsRefused(options: [String], reason: String, code: Int) throws {
    let result = try site.run("tern", ["train-rate"] + options, expecting: Int32(code))
    #expect(result.output.contains(reason), "\(result.output)")
  }
}
