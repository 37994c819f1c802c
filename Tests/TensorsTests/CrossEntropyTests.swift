// SPDX-License-Identifier: Apache-2.0
import Foundation
import Tensors
import Testing

struct CrossEntropyTests {
  @Test(arguments: [1, 15, 16, 1_024, 1_025, 5_003])
  func logSumExpIsExact(count: Int) {
    let logits = Matrix(noise(2 * count, "logits").map { 20 * $0 }, rows: 2, columns: count)
    for row in 0..<2 {
      let values = Plain.rows(logits)[row]
      let expected = log(values.reduce(0.0) { $0 + exp(Double($1)) })
      #expect(abs(Kernels.logSumExp(of: logits, row: row).value - expected) < 1e-6)
    }
  }

  @Test func hasTheBitsOfThePlainVersion() {
    let values = noise(2_060, "logits").map { 20 * $0 }
    let found = Kernels.logSumExp(of: Matrix(values, rows: 1, columns: 2_060), row: 0)
    let top = values.max() ?? 0
    let runs = stride(from: 0, to: values.count, by: 1_024).map { start in
      let run = values[start..<min(values.count, start + 1_024)]
      return Double(Plain.exactSum(run.map { Plain.exactExponential($0 - top) }))
    }
    #expect(found.maximum == top)
    #expect(found.sum == runs.reduce(0, +))
  }

  @Test func hugeLogitsStayFinite() {
    let logits = Matrix([3e4, -3e4, 2.9e4], rows: 1, columns: 3)
    #expect(Kernels.logSumExp(of: logits, row: 0).value == 3e4)
  }

  @Test func gradientIsThatOfFiniteDifferences() {
    var logits = Matrix(noise(40, "logits").map { 4 * $0 }, rows: 2, columns: 20)
    let before = logits
    let known = Kernels.logSumExp(of: logits, row: 1)
    Kernels.replaceByLogSumExpGradient(&logits, row: 1, known, weight: 0.25)
    func loss(_ values: [Float]) -> Double {
      0.25 * log(values.reduce(0.0) { $0 + exp(Double($1)) })
    }
    let row = Plain.rows(before)[1]
    let expected = (0..<20).map { derivative(loss, at: row, $0, step: 1e-3) }
    #expect(relativeError(Plain.rows(logits)[1], expected) < 1e-4)
    #expect(Plain.rows(logits)[0] == Plain.rows(before)[0])
  }
}
