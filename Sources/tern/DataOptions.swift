// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Programs
import Training

/// A file of examples, without a run file that would say how to read it.
struct DataOptions: ParsableArguments {
  @Option(help: "The data: a file of JSON lines.", completion: .file(extensions: ["jsonl"]))
  var data: String

  @Option(help: "The prompt's template when the columns have other names, as 'Q: {question}'.")
  var prompt: String?

  @Option(help: "The completion's template when the columns have other names.")
  var completion: String?

  func validate() throws {
    guard (prompt == nil) == (completion == nil) else {
      throw ValidationError("--prompt and --completion go together")
    }
  }

  /// The examples as a model sees them.
  ///
  /// - Parameter maximumTokens: the longest; nil for as long as the model takes.
  func examples(for model: LoadedModel, maximumTokens: Int? = nil) throws -> ExampleSet {
    var template: DataTemplate?
    if let prompt, let completion {
      template = try DataTemplate(prompt: prompt, completion: completion)
    }
    return try ExampleSet(
      DataFile(path: data, template: template), tokenizer: model.tokenizer,
      maximumTokens: maximumTokens ?? model.checkpoint.configuration.contextLength)
  }
}
