// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
import Checkpoints
public import Models
import Programs
import RunFiles
import Tensors

extension Benchmark {
  /// What a step is made of.
  struct StepOptions: ParsableArguments {
    @Option(help: "The checkpoint: a Hugging Face folder or a GGUF file.", completion: .file())
    var model: String

    @Option(help: "How many sequences a step has.")
    var batch = 4

    @Option(help: "How many tokens a sequence has.")
    var sequence = 128

    @Option(help: "How many tokens at the end of each sequence are predicted; by default all.")
    var supervised: Int?

    @Option(help: "The rank of the adapter, on all linear layers of each block.")
    var rank = 8

    @Option(help: "The precision in which weights are multiplied; by default what is fastest here.")
    var compute: ComputeMode?

    @Option(help: "Make fewer bits of the weights of linear layers: nf4, int8 or bf16.")
    var quantize: Quantization?

    @Option(help: "How many steps are measured.")
    var steps = 9

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func validate() throws {
      guard batch > 0, rank > 0, steps > 0 else {
        throw ValidationError("--batch, --rank and --steps are at least 1")
      }
      guard sequence >= 2 else { throw ValidationError("--sequence is at least 2") }
      guard (1..<sequence).contains(supervised ?? 1) else {
        throw ValidationError("--supervised is 1 to \(sequence - 1), all tokens but the first")
      }
    }

    func run(
      _ work: StepBenchmark.Work, named name: String, factors: LoRAConfiguration.Factors,
      threads: Int = 1, memory: ByteSize? = nil
    ) throws {
      keepMemoryWarm()
      let size = StepBenchmark.Size(
        batch: batch, sequence: sequence, supervised: supervised ?? sequence - 1, rank: rank,
        factors: factors, threads: threads, memory: memory?.byteCount)
      let base = try LoadedModel(path: model).base(
        quantized: quantize, computing: ProductArithmetic(compute))
      let report = try StepBenchmark(work, base: base, size: size).run(stepCount: steps)
      try printResult(of: "benchmark \(name)", as: format, report) {
        """
        step         \(report.batch) x \(report.sequence) tokens, \(report.supervised) predicted \
        of each, rank \(report.rank), \(report.steps) steps, threads: \(report.threads)\
        \(report.queries.map { ", \($0) queries with two losses" } ?? "")
        time         \(fixed(report.wallSecondsMedian, 3)) s a step at the median
        processor    \(fixed(report.processorSecondsMedian, 3)) s a step at the median, \
        \(fixed(report.processorSecondsMinimum, 3)) s at best, \
        \(fixed(report.tokensPerProcessorSecond, 0)) tokens a second
        arithmetic   \(fixed(report.gigaflopsPerSecond, 1)) GFLOP/s in \(report.compute); one large \
        product of that kind has \(fixed(report.gigaflopsPerSecondOfOneProduct, 1))
        memory       \(byteText(report.peakResidentBytes)) resident at most, \
        \(byteText(report.plannedBytes)) planned, \(report.recomputedBlocks) blocks computed twice, \
        adapters at once: \(report.adaptersAtOnce)
        loss         \(fixed(report.loss, 4))
        """
      }
    }
  }

  struct Train: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Steps of training on random tokens: loss, gradient, AdamW.")

    @OptionGroup var options: StepOptions

    @Option(help: "Which factors of the adapter are learned: 'both', as PEFT does, or 'b'.")
    var factors = LoRAConfiguration.Factors.both

    @Option(help: "How many threads compute.")
    var threads = 1

    @Option(
      help: ArgumentHelp(
        "The most memory to use, as 450MB: blocks are computed twice instead of being kept until it "
          + "suffices.", valueName: "size"))
    var memory: ByteSize?

    func validate() throws {
      guard 1...1024 ~= threads else { throw ValidationError("--threads is 1 to 1024") }
    }

    func run() async throws {
      try await reportingErrors {
        try options.run(.train, named: "train", factors: factors, threads: threads, memory: memory)
      }
    }
  }

  struct Forward: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forward passes on random tokens: the loss.")

    @OptionGroup var options: StepOptions

    func run() async throws {
      try await reportingErrors { try options.run(.forward, named: "forward", factors: .b) }
    }
  }
}

extension Benchmark {
  struct ZerothOrder: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Steps of zeroth-order training on random tokens: two losses along each of some "
        + "random directions, and a step along them.")

    @OptionGroup var options: StepOptions

    @Option(help: "How many directions a step has.")
    var queries = 1

    @Option(help: "Which factors of the adapter are perturbed: 'b', or 'both'.")
    var factors = LoRAConfiguration.Factors.b

    @Option(help: "How many threads compute.")
    var threads = 1

    @Option(
      help: ArgumentHelp(
        "The most memory to use, as 450MB: fewer losses are computed at once until it suffices.",
        valueName: "size"))
    var memory: ByteSize?

    func validate() throws {
      guard 1...1024 ~= threads else { throw ValidationError("--threads is 1 to 1024") }
      guard 1...10_000 ~= queries else { throw ValidationError("--queries is 1 to 10000") }
    }

    func run() async throws {
      try await reportingErrors {
        try options.run(
          .zerothOrder(queryCount: queries), named: "zeroth-order", factors: factors,
          threads: threads, memory: memory)
      }
    }
  }
}

extension LoRAConfiguration.Factors: ExpressibleByArgument {}
