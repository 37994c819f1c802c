// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Programs

/// Serves one run, from its first version to its last.
@main
struct TernCoordinator: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tern-coordinator",
    abstract: "Serve one run to its workers, and write the adapter that they learned.",
    discussion: """
      Started again with the same run file, it goes on from the last commit. The run's journal, \
      metrics and adapter are in the folder runs/NAME beside the run file.
      """)

  @OptionGroup var options: RunFileOptions
  @OptionGroup var authority: PassphraseOptions
  @OptionGroup var logging: LogOptions

  func run() async throws {
    try await reportingErrors {
      let origin = RunOrigin(runFile: options.runFile, overrides: options.overrides)
      let passphrase = try authority.passphrase()
      let log = logging.logger("coordinator")
      let result = try await stoppingOnSignals {
        try await serve(origin, passphrase: passphrase, log: log)
      }
      print("adapter: \(result.adapterFolder)")
    }
  }
}
