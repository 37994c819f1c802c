// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Federation
import Foundation
import Programs
import Rounds

/// The command `tern runs`.
struct Runs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look at runs, go on with them, and take their adapters.",
    subcommands: [List.self, Show.self, Resume.self, Replay.self, Export.self])
}

/// Where runs are kept.
struct RunsFolderOptions: ParsableArguments {
  @Option(name: .long, help: "The folder of run folders.", completion: .directory)
  var runs = "runs"
}

extension Runs {
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the runs in a folder.")

    @OptionGroup var folder: RunsFolderOptions

    @Option(help: "text or json.")
    var format = OutputFormat.text

    private struct Output: Encodable { let runs: [StoredRun] }

    func run() async throws {
      try await reportingErrors {
        let output = Output(runs: try StoredRun.all(in: folder.runs))
        try printResult(of: "runs list", as: format, output) {
          output.runs.map { "\($0.run)\tversion \($0.version)/\($0.versionCount)\t\($0.status)" }
            .joined(separator: "\n")
        }
      }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a run's commits and what was measured.")

    @Argument(help: "The run's name.")
    var run: String

    @OptionGroup var folder: RunsFolderOptions

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func run() async throws {
      try await reportingErrors {
        let stored = try StoredRun(folder: "\(folder.runs)/\(run)")
        try printResult(of: "runs show", as: format, stored) { stored.text }
      }
    }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Serve a run again, from its last commit, as it was served before.")

    @Argument(help: "The run's name.")
    var run: String

    @OptionGroup var folder: RunsFolderOptions
    @OptionGroup var authority: PassphraseOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
      try await reportingErrors {
        let passphrase = try authority.passphrase()
        let origin = try RunOrigin(folder: "\(folder.runs)/\(run)")
        let log = logging.logger("coordinator")
        let result = try await stoppingOnSignals {
          try await serve(origin, passphrase: passphrase, log: log)
        }
        print("adapter: \(result.adapterFolder)")
      }
    }
  }

  struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a run's adapter again from its log alone, and compare digests.",
      discussion: """
        For runs by steps (training.parallel). Every version at which the workers' replicas were \
        compared, and every snapshot, is compared with what the log gives. The exit code is not 0 \
        when something differs.
        """)

    @Argument(help: "The run's name.")
    var run: String

    @OptionGroup var folder: RunsFolderOptions

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func run() async throws {
      try await reportingErrors {
        let replay = try StoredRun(folder: "\(folder.runs)/\(run)").replay()
        try printResult(of: "runs replay", as: format, replay) { replay.text }
      }
    }
  }

  struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a run's adapter, as it was committed last, as a PEFT folder.")

    @Argument(help: "The run's name.")
    var run: String

    @Option(name: .shortAndLong, help: "The folder to write.", completion: .directory)
    var output: String

    @Option(
      help: "The checkpoint, when it is not where the run found it.", completion: .file())
    var model: String?

    @OptionGroup var folder: RunsFolderOptions

    func run() async throws {
      try await reportingErrors {
        let stored = try StoredRun(folder: "\(folder.runs)/\(run)")
        try stored.export(to: output, model: model)
        print("adapter: \(output)")
      }
    }
  }
}
