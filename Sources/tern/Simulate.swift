// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Federation
import Programs
import RunFiles

/// The command `tern simulate`.
struct Simulate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a run file's coordinator and workers in this process.",
    discussion: """
      The same engine, the same messages and the same bits as over the network; the base model is \
      in memory once.
      """)

  @OptionGroup var options: RunFileOptions
  @OptionGroup var logging: LogOptions

  @Option(name: .shortAndLong, help: "The folder of the run; runs/NAME.simulated if not given.")
  var output: String?

  func run() async throws {
    try await reportingErrors {
      let file = try options.load()
      let folder = output ?? "\(file.coordinator.runs)/\(file.plan.run).simulated"
      let log = logging.logger("simulate")
      let result = try await stoppingOnSignals {
        try await simulate(file, folder: folder, log: log)
      }
      print("adapter: \(result.adapterFolder)")
    }
  }
}
