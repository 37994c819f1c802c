// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Models
import Programs
import Tensors
import Tokenization
import Training

/// The command `tern evaluate`.
struct Evaluate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a model, with or without an adapter, on a file of JSON lines.",
    discussion: """
      Rows have 'prompt' and 'completion' (the loss is that of the completion), or 'text'. For \
      rows that also have 'choices', the accuracy is the share whose completion is the choice \
      with the highest total log-probability.
      """)

  @Option(help: "The checkpoint: a Hugging Face folder or a GGUF file.", completion: .file())
  var model: String

  @Option(help: "A PEFT adapter folder.", completion: .directory)
  var adapter: String?

  @OptionGroup var file: DataOptions

  @Option(help: "The longest example, in tokens; longer prompts lose their beginning.")
  var maximumTokens: Int?

  @Option(help: "The precision in which weights are multiplied.")
  var compute = ComputeMode.f32

  @Option(help: "Make fewer bits of the weights of linear layers: nf4, int8 or bf16.")
  var quantize: Quantization?

  @Option(help: "text or json.")
  var format = OutputFormat.text

  private struct Output: Encodable {
    let loss: Double
    let tokens: Int
    let accuracy: Double?
    let examples: Int
    let truncated: Int
  }

  func validate() throws {
    guard maximumTokens ?? 2 >= 2 else { throw ValidationError("--maximum-tokens is at least 2") }
  }

  func run() async throws {
    try await reportingErrors {
      let loaded = try LoadedModel(path: model)
      let examples = try file.examples(for: loaded, maximumTokens: maximumTokens)
      let base = try loaded.base(quantized: quantize, computing: ProductArithmetic(compute))
      let adapted =
        try adapter.map { try AdaptedModel(base: base, adapter: AdapterFolder(reading: $0)) }
        ?? AdaptedModel(base: base)
      let evaluation = try Evaluator(model: adapted, examples: examples)
        .evaluate(adapted.initialAdapter())
      let output = Output(
        loss: evaluation.loss, tokens: evaluation.tokenCount, accuracy: evaluation.accuracy,
        examples: examples.count, truncated: examples.truncatedCount)
      try printResult(of: "evaluate", as: format, output) {
        "loss \(fixed(output.loss, 6)) over \(output.tokens) tokens of \(output.examples) examples"
          + (output.accuracy.map { ", accuracy \(fixed($0, 4))" } ?? "")
          + (output.truncated > 0 ? ", \(output.truncated) shortened" : "")
      }
    }
  }
}
