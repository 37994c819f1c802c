// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Programs

/// The command `tern benchmark`.
struct Benchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure this machine.",
    subcommands: [
      Train.self, Forward.self, ZerothOrder.self, Precision.self, Codec.self, Rounds.self,
      Serve.self, Work.self,
    ])
}

extension Benchmark {
  struct Rounds: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Rounds over TLS on loopback, with random payloads instead of training.",
      discussion: """
        Every worker and the coordinator are processes of their own. The updates are dense, so \
        that a round moves '--bytes' from and to every worker. Times are from one commit to the \
        next, without the first.
        """)

    @Option(help: "How many workers.")
    var workers = 4

    @Option(help: "Bytes of an update, each way; 0 for an empty round.")
    var bytes = 0

    @Option(help: "How many rounds.")
    var rounds = 100

    @Option(help: "Where the run is kept meanwhile.", completion: .directory)
    var folder = FileManager.default.temporaryDirectory.path

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func validate() throws {
      guard (1...256).contains(workers) else { throw ValidationError("--workers is 1 to 256") }
      guard (0...(1 << 32)).contains(bytes) else {
        throw ValidationError("--bytes is 0 to 4294967296")
      }
      guard rounds >= 2 else { throw ValidationError("--rounds is at least 2") }
    }

    func run() async throws {
      try await reportingErrors {
        let benchmark = RoundsBenchmark(
          workerCount: workers, byteCount: bytes, roundCount: rounds)
        let folder = folder
        let report = try await stoppingOnSignals { try await benchmark.run(in: folder) }
        try printResult(of: "benchmark rounds", as: format, report) {
          """
          workers      \(report.workers), \(byteText(report.payloadBytes)) each way, \
          \(report.rounds) rounds
          round        \(milliseconds(report.roundSecondsMedian)) median, \
          \(milliseconds(report.roundSecondsP99)) 99th percentile, \
          \(milliseconds(report.firstRoundSeconds)) the first
          bytes        \(byteText(Int(report.receivedBytesPerWorkerRound))) up and \
          \(byteText(Int(report.sentBytesPerWorkerRound))) down a worker and round, on the sockets
          processor    \(milliseconds(report.workerProcessorSecondsPerRound)) a worker and round, \
          \(milliseconds(report.coordinatorProcessorSecondsPerRound)) of the coordinator a round
          memory       \(byteText(report.coordinatorPeakResidentBytes)) at most in the coordinator; \
          \(byteText(report.coordinatorResidentBytesEarly)) after a tenth of the rounds, \
          \(byteText(report.coordinatorResidentBytesLate)) at the end
          """
        }
      }
    }
  }

  /// The parties' own processes.
  struct Setting: ParsableArguments {
    @Argument var folder: String
    @Argument var bytes: Int
    @Argument var workers: Int

    var setting: BenchmarkSetting {
      BenchmarkSetting(folder: folder, byteCount: bytes, workerCount: workers)
    }
  }

  struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Argument var rounds: Int
    @OptionGroup var site: Setting
    @OptionGroup var logging: LogOptions

    func run() async throws {
      try await reportingErrors {
        try await BenchmarkCoordinator(site.setting, roundCount: rounds)
          .run(log: logging.logger("coordinator"))
      }
    }
  }

  struct Work: AsyncParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Argument var name: String
    @Argument var port: Int
    @OptionGroup var site: Setting
    @OptionGroup var logging: LogOptions

    func run() async throws {
      try await reportingErrors {
        try await BenchmarkWorker(site.setting, name: name, port: port)
          .run(log: logging.logger(name))
      }
    }
  }
}

func milliseconds(_ seconds: Double) -> String { "\(fixed(seconds * 1e3, 2)) ms" }
