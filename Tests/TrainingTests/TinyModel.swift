// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import FoundationEssentials
import Models
import Tensors
import Testing
import Tokenization

@testable import Training

/// A tiny model of Tests/Fixtures with its tokenizer and its adapter.
struct TinyModel {
  static let names = [
    "llama-gqa-tied", "llama-mqa-untied", "llama3-ropescaled", "qwen2", "qwen3", "mistral-swa8",
    "gpt2", "gpt2-scaled", "opt",
  ]

  let folder: String
  let base: DecoderModel
  let tokenizer: Tokenizer

  init(_ name: String = "llama-gqa-tied") throws {
    folder =
      #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
      + "/Fixtures/models/\(name)"
    let checkpoint = try Checkpoint(path: folder)
    base = try DecoderModel(checkpoint)
    tokenizer = try Tokenizer(checkpoint: checkpoint)
  }

  /// The model with the adapter that PEFT wrote: rank 4 and alpha 8 on all projections.
  func adapted() throws -> AdaptedModel {
    try AdaptedModel(base: base, adapter: PEFTAdapter(folder: "\(folder)/adapter"))
  }

  /// The tokenizer, changed to put `<s>` before each text.
  func beginningTokenizer() throws -> Tokenizer {
    let file = try Data(contentsOf: URL(filePath: "\(folder)/tokenizer.json"))
    let text = String(decoding: file, as: UTF8.self)
    let changed =
      text
      .replacing(
        #""single": ["#, with: #""single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},"#
      )
      .replacing(
        #""special_tokens": {}"#,
        with: #""special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}"#)
    try #require(changed != text)
    return try Tokenizer(json: Array(changed.utf8))
  }

  /// The two rows of which PyTorch made the golden values: three tokens of the first are prompt.
  func goldenExamples() -> ExampleSet {
    let texts = [
      "To be, or not to be: that is the question.",
      "Now is the winter of our discontent\nMade glorious summer.",
    ]
    let first = tokenizer.ids(of: texts[0]).prefix(24)
    let second = tokenizer.ids(of: texts[1]).prefix(24).prefix(first.count - 5)
    return ExampleSet([
      Example(tokens: Array(first), promptCount: 3),
      Example(tokens: Array(second), promptCount: 0),
    ])
  }

  /// What PyTorch computes before each of three steps of AdamW, and after the last.
  func goldenLosses() throws -> [Double] {
    struct Golden: Decodable { var adamw_losses: [Double] }
    let data = try Data(contentsOf: URL(filePath: "\(folder)/golden.json"))
    return try JSONDecoder().decode(Golden.self, from: data).adamw_losses
  }

  /// The adapter after three steps.
  func goldenAdapter(_ layout: ParameterLayout) throws -> ParameterVector {
    let file = try SafetensorsFile(path: "\(folder)/golden.safetensors")
    return ParameterVector(
      layout: layout,
      values: try layout.entries.flatMap { try file.floats(of: "lora.adamw3.\($0.name)") })
  }
}

/// Examples of rows written as JSON lines.
func exampleSet(
  _ lines: String, _ tokenizer: Tokenizer, maximumTokens: Int = 64
) throws -> ExampleSet {
  try ExampleSet(
    DataFile(bytes: Array(lines.utf8), name: "rows"), tokenizer: tokenizer,
    maximumTokens: maximumTokens)
}
