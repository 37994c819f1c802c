// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Programs
import Training

extension Benchmark {
  struct Precision: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "How well differences of losses survive rounding.",
      discussion: """
        Zeroth-order training divides the difference of two nearly equal losses by the perturbation \
        between them. This compares such slopes, computed in 32-bit floats and in bfloat16, with the \
        derivatives that backpropagation finds, by the size of the perturbation. The adapter is one \
        that has not learned yet.
        """)

    @Option(help: "The checkpoint: a Hugging Face folder or a GGUF file.", completion: .file())
    var model: String

    @OptionGroup var file: DataOptions

    @Option(help: "Of how many examples the losses are.")
    var batch = 16

    @Option(help: "The rank of the adapter, on all linear layers of each block.")
    var rank = 8

    @Option(help: "How many directions.")
    var queries = 8

    @Option(
      name: .customLong("perturbation"), help: "A perturbation to measure with; may be repeated.")
    var perturbations: [Float] = [1e-4, 5e-4, 1e-3, 5e-3, 1e-2]

    @Option(help: "How many threads compute.")
    var threads = 1

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func validate() throws {
      guard batch > 0, rank > 0, queries > 0 else {
        throw ValidationError("--batch, --rank and --queries are at least 1")
      }
      guard perturbations.allSatisfy({ $0 > 0 && $0.isFinite }) else {
        throw ValidationError("--perturbation is a positive number")
      }
      guard 1...1024 ~= threads else { throw ValidationError("--threads is 1 to 1024") }
    }

    func run() async throws {
      try await reportingErrors {
        let loaded = try LoadedModel(path: model)
        let examples = try file.examples(for: loaded)
        let report = PrecisionBenchmark(
          base: loaded.base, examples: examples, batchSize: batch, rank: rank,
          perturbations: perturbations, queryCount: queries, threadCount: threads
        ).run()
        try printResult(of: "benchmark precision", as: format, report) {
          ([
            "losses of \(report.examples) examples, derivatives of about "
              + "\(fixed(report.derivative, 2)) along \(report.queries) directions"
          ]
            + report.rows.map {
              "perturbation \($0.perturbation)  error \(fixed(100 * $0.relativeError, 2)) %  "
                + $0.compute
            }).joined(separator: "\n")
        }
      }
    }
  }
}
