// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The programs measure, and say in which units; figures are nobody's promise here.
@Suite(.timeLimit(.minutes(5)))
struct BenchmarkTests {
  private func report(_ arguments: [String]) throws -> [String: Any] {
    let site = try Site(certificates: false)
    let output = try site.run("tern", ["benchmark"] + arguments + ["--format", "json"]).output
    return try #require(
      try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
  }

  @Test(arguments: ["train", "forward"])
  func stepsAreMeasured(work: String) throws {
    let report = try report([
      work, "--model", Site.model, "--batch", "2", "--sequence", "16", "--supervised", "5",
      "--rank", "3", "--steps", "4",
    ])
    func number(_ key: String) throws -> Double { try #require(report[key] as? Double) }
    #expect(report["command"] as? String == "benchmark \(work)")
    #expect(try number("batch") == 2 && number("sequence") == 16 && number("supervised") == 5)
    #expect(try number("rank") == 3 && number("steps") == 4)
    let seconds = try number("processor_seconds_median")
    #expect(try seconds > 0 && number("processor_seconds_minimum") <= seconds)
    #expect(try abs(number("tokens_per_processor_second") * seconds / 32 - 1) < 1e-9)
    #expect(try number("gigaflops_per_second") > 0)
    #expect(try number("gigaflops_per_second_of_one_product") > 0)
    #expect(try number("peak_resident_bytes") > 1e6)
    // Random tokens of 512, which nothing can predict: no better than guessing.
    #expect(try number("loss") > 5)
  }

  @Test func zerothOrderStepsAreMeasured() throws {
    let report = try report([
      "zeroth-order", "--model", Site.model, "--batch", "2", "--sequence", "16", "--rank", "3",
      "--steps", "2", "--queries", "5",
    ])
    #expect(report["command"] as? String == "benchmark zeroth-order")
    #expect(report["queries"] as? Int == 5 && report["adapters_at_once"] as? Int == 10)
    #expect(try #require(report["processor_seconds_median"] as? Double) > 0)
    #expect(try #require(report["loss"] as? Double) > 5)
  }

  @Test(arguments: ["dense", "ternary", "stochastic-ternary"])
  func codecsAreMeasured(codec: String) throws {
    let report = try report([
      "codec", "--model", Site.model, "--rank", "4", "--codec", codec, "--density", "0.1",
      "--senders", "3", "--steps", "3",
    ])
    func number(_ key: String) throws -> Double { try #require(report[key] as? Double) }
    #expect(report["command"] as? String == "benchmark codec")
    #expect(try number("senders") == 3 && number("steps") == 3)
    let (parameters, bits) = (try number("parameters"), try number("bits_per_parameter"))
    #expect(try abs(number("bytes") * 8 / parameters - bits) < 1e-9)
    // 0.57 bits is the entropy of a tenth with signs; tensors this small have some frame.
    #expect(codec == "dense" ? bits > 32 : (0.5..<1.5).contains(bits), "\(bits)")
    #expect((report["size_over_entropy"] as? Double != nil) == (codec != "dense"))
    for what in ["encode", "decode", "mean"] {
      #expect(try number("\(what)_processor_seconds_median") > 0)
    }
    let mean = try number("mean_processor_seconds_median")
    #expect(try abs(number("averaged_millions_per_second") * mean / 3e-6 / parameters - 1) < 1e-9)
  }

  @Test func precisionIsMeasured() throws {
    let report = try report([
      "precision", "--model", Site.model, "--data", "data/held-out.jsonl", "--perturbation", "1e-3",
      "--perturbation", "1e-6", "--queries", "4",
    ])
    let rows = try #require(report["rows"] as? [[String: Any]])
    let errors = rows.compactMap { $0["relative_error"] as? Double }
    #expect(errors.count == 4 && report["queries"] as? Int == 4)
    // A difference of two losses is lost in rounding when they are too near to each other.
    #expect(errors[0] < 0.05 && errors[0] < errors[1])
    #expect(errors[0] < errors[2] && errors[2] < errors[3])
  }

  @Test func roundsAreMeasured() throws {
    let report = try report(["rounds", "--workers", "2", "--bytes", "100000", "--rounds", "3"])
    #expect(report["workers"] as? Int == 2 && report["rounds"] as? Int == 3)
    #expect(try #require(report["round_seconds_median"] as? Double) > 0)
    #expect(try #require(report["received_bytes_per_worker_round"] as? Double) > 100_000)
  }

  @Test(arguments: [
    (["--sequence", "257"], "sequences of at most 256 tokens", 2),
    (["--sequence", "1"], "--sequence is at least 2", 64),
    (["--supervised", "128"], "--supervised is 1 to 127", 64),
    (["--rank", "0"], "--rank", 64),
  ])
  func whatCannotBeMeasuredIsRefused(options: [String], reason: String, code: Int) throws {
    let site = try Site(certificates: false)
    let result = try site.run(
      "tern", ["benchmark", "train", "--model", Site.model] + options, expecting: Int32(code))
    #expect(result.output.contains(reason))
  }
}
