// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Models
import Programs
import Updates

extension Benchmark {
  struct Codec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Updates of an adapter turned into bytes and back, and the mean of several.",
      discussion: """
        The updates are normal values whose spread differs between tensors, and carry what those \
        before them left out. Times are of one thread.
        """)

    /// How updates are turned into bytes.
    enum Kind: String, CaseIterable, ExpressibleByArgument {
      case dense, ternary
      case stochasticTernary = "stochastic-ternary"
    }

    @Option(help: "The checkpoint: a Hugging Face folder or a GGUF file.", completion: .file())
    var model: String

    @Option(help: "The rank of the adapter, on all linear layers of each block.")
    var rank = 8

    @Option(help: "Which factors of the adapter are learned: 'both', as PEFT does, or 'b'.")
    var factors = LoRAConfiguration.Factors.both

    @Option(help: "How updates are turned into bytes.")
    var codec = Kind.ternary

    @Option(help: "The share of the values that is sent, above 0 and at most 1.")
    var density = 0.05

    @Option(help: "How many updates a mean is of.")
    var senders = 4

    @Option(help: "How many steps are measured.")
    var steps = 9

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func validate() throws {
      guard rank > 0, steps > 0 else {
        throw ValidationError("--rank and --steps are at least 1")
      }
      guard density > 0, density <= 1 else {
        throw ValidationError("--density is above 0 and at most 1")
      }
      guard 1...1024 ~= senders else { throw ValidationError("--senders is 1 to 1024") }
    }

    func run() async throws {
      try await reportingErrors {
        keepMemoryWarm()
        let benchmark = CodecBenchmark(
          updateCodec, base: try LoadedModel(path: model).base,
          lora: LoRAConfiguration(
            rank: rank, alpha: 2 * Float(rank), factors: factors, seed: 1),
          senderCount: senders)
        let report = try benchmark.run(stepCount: steps)
        try printResult(of: "benchmark codec", as: format, report) {
          """
          update       \(report.parameters) parameters, \(report.codec): \
          \(byteText(report.bytes)), \(fixed(report.bitsPerParameter, 4)) bits a parameter\
          \(report.sizeOverEntropy.map { ", \(fixed($0, 4)) times the entropy" } ?? "")
          encode       \(milliseconds(report.encodeProcessorSecondsMedian)), \
          \(fixed(report.encodedMillionsPerSecond, 0)) million parameters a second
          decode       \(milliseconds(report.decodeProcessorSecondsMedian)), \
          \(fixed(report.decodedMillionsPerSecond, 0)) million parameters a second
          mean of \(report.senders)    \(milliseconds(report.meanProcessorSecondsMedian)), \
          \(fixed(report.averagedMillionsPerSecond, 0)) million parameters a second of all
          """
        }
      }
    }

    private var updateCodec: UpdateCodec {
      switch codec {
      case .dense: .dense
      case .ternary: .ternary(density: density)
      case .stochasticTernary: .stochasticTernary(density: density)
      }
    }
  }
}
