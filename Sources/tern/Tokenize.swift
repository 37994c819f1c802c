// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Programs
import Tokenization
import Training

/// The command `tern tokenize`.
struct Tokenize: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a text as the model sees it.")

  @Option(help: "The checkpoint: a Hugging Face folder or a GGUF file.", completion: .file())
  var model: String

  @Option(help: "The text.")
  var text: String

  @Flag(help: "Leave out the special tokens that the tokenizer puts around a text.")
  var withoutSpecialTokens = false

  @Option(help: "text or json.")
  var format = OutputFormat.text

  private struct Output: Encodable {
    let ids: [Int32]
    let pieces: [String]
  }

  func run() async throws {
    try await reportingErrors {
      let tokenizer = try Tokenizer(checkpoint: Checkpoint(path: model))
      let ids = tokenizer.ids(of: text, addSpecialTokens: !withoutSpecialTokens)
      let output = Output(ids: ids, pieces: ids.map { tokenizer.text(of: [$0]) })
      try printResult(of: "tokenize", as: format, output) {
        zip(output.ids, output.pieces).map { "\($0)\t\($1.debugDescription)" }
          .joined(separator: "\n")
      }
    }
  }
}
