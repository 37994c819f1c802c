// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Models
import Tensors
import Testing

/// A tiny model of Tests/Fixtures and what PyTorch computes with it.
struct GoldenModel {
  static let names = [
    "llama-gqa-tied", "llama-mqa-untied", "llama3-ropescaled", "qwen2", "qwen3", "mistral-swa8",
    "gpt2", "gpt2-scaled", "opt",
  ]

  /// Tests/Fixtures/models.
  static let folder =
    #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" } + "/Fixtures/models"

  /// The GGUF file of SmolLM2-135M-Instruct, where there is one.
  static let smolLM2Path = ProcessInfo.processInfo.environment["TERN_SMOLLM2"]

  let base: DecoderModel
  /// Rank 4 and alpha 8 on all projections.
  let adapter: PEFTAdapter
  let values: SafetensorsFile

  private let folder: String

  init(_ name: String) throws {
    folder = "\(Self.folder)/\(name)"
    base = try DecoderModel(Checkpoint(path: folder))
    adapter = try PEFTAdapter(folder: "\(folder)/adapter")
    values = try SafetensorsFile(path: "\(folder)/golden.safetensors")
  }

  /// What golden.json says.
  struct Losses: Decodable {
    let loss: Double
    let adamw_losses: [Double]
  }

  func json() throws -> Losses {
    try JSONDecoder().decode(
      Losses.self, from: Data(contentsOf: URL(filePath: "\(folder)/golden.json")))
  }

  /// The golden vector whose tensors are called `prefix` and the layout's names.
  func vector(_ prefix: String, _ layout: ParameterLayout) throws -> ParameterVector {
    ParameterVector(
      layout: layout,
      values: try layout.entries.flatMap { try values.floats(of: "\(prefix).\($0.name)") })
  }

  /// The two rows of tokens without their padding, and the labels as targets.
  func batch() throws -> TokenBatch {
    let rows = try integers("input_ids")
    let labels = try integers("labels")
    var tokens: [Int32] = []
    var lengths: [Int] = []
    var targets: [TokenBatch.Target] = []
    for (row, label) in zip(rows, labels) {
      // Padding is on the right, and nothing else ends a row in zeros.
      let length = (row.lastIndex { $0 != 0 } ?? -1) + 1
      for index in 1..<length where label[index] >= 0 {
        targets.append(.init(position: tokens.count + index - 1, token: Int32(label[index])))
      }
      tokens += row[..<length].map { Int32($0) }
      lengths.append(length)
    }
    return TokenBatch(tokens: tokens, sequenceLengths: lengths, targets: targets)
  }

  /// For each token that is not padding, the log-probabilities of the whole vocabulary.
  func logProbabilities(_ name: String) throws -> [[Float]] {
    let logits = try values.floats(of: name)
    let vocabulary = base.configuration.vocabularySize
    let width = try integers("input_ids")[0].count
    let lengths = try batch().sequenceLengths
    var rows: [[Float]] = []
    for (sequence, length) in lengths.enumerated() {
      for index in 0..<length {
        let start = (sequence * width + index) * vocabulary
        rows.append(logSoftmax(Array(logits[start..<(start + vocabulary)])))
      }
    }
    return rows
  }

  private func logSoftmax(_ logits: [Float]) -> [Float] {
    let matrix = Matrix(logits, rows: 1, columns: logits.count)
    let normalizer = Kernels.logSumExp(of: matrix, row: 0).value
    return logits.map { Float(Double($0) - normalizer) }
  }

  private func integers(_ name: String) throws -> [[Int64]] {
    let info = try #require(values.tensors[name])
    let bytes = try values.bytes(of: name)
    let all = stride(from: 0, to: bytes.count, by: 8).map { start in
      bytes[start..<(start + 8)].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }
    let width = info.shape[1]
    return stride(from: 0, to: all.count, by: width).map { Array(all[$0..<($0 + width)]) }
  }
}

/// The largest difference, relative to the largest golden value.
func relativeError(_ values: some Sequence<Float>, _ golden: some Sequence<Float>) -> Float {
  let largest = golden.reduce(Float(0)) { max($0, abs($1)) }
  let difference = zip(values, golden).reduce(Float(0)) { worst, pair in
    let difference = abs(pair.0 - pair.1)
    return difference.isNaN ? .infinity : max(worst, difference)
  }
  return difference / max(largest, .leastNormalMagnitude)
}
