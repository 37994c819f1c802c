// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Programs
import Training

/// The command `tern train-rate`.
struct TrainRate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train-rate",
    abstract: "Propose a learning rate for a run that learns by losses alone.",
    discussion: """
      Takes the first steps of a worker of the run file with one learning rate after the other, all \
      from the same start with the same batches and directions, and measures each on held-out \
      examples: those of the run file's 'validation', or some of the worker's own. A rate whose \
      losses rise far above those of the lowest is given up, and higher ones are not tried.

      By default rates are half-decades from a tenth of the run file's to a hundred times. What is \
      best for a few steps of one worker is a place to start from, not the end of the search.
      """)

  @OptionGroup var options: RunFileOptions

  @Option(help: "The worker whose data is learned from; by default the first of the run file.")
  var worker: String?

  @Option(help: "How many steps are taken with each rate.")
  var steps = 8

  @Option(
    help: ArgumentHelp("The rates, as 1e-4,1e-3,1e-2.", valueName: "list"),
    transform: Self.rates)
  var rates: [Double]?

  @Option(help: "text or json.")
  var format = OutputFormat.text

  func validate() throws {
    guard 1...10_000 ~= steps else { throw ValidationError("--steps is 1 to 10000") }
  }

  func run() async throws {
    try await reportingErrors {
      let trial = try RateTrial(
        try options.load(), worker: worker, rates: rates, stepCount: steps)
      let report = try await stoppingOnSignals { try trial.run() }
      try printResult(of: "train-rate", as: format, report) { report.text }
    }
  }

  private static func rates(_ text: String) throws -> [Double] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let rate = Double($0), (1e-12...1e3).contains(rate) else {
        throw ValidationError("'\($0)' is no rate: give numbers from 1e-12 to 1e3, as 1e-4,1e-3")
      }
      return rate
    }
  }
}
