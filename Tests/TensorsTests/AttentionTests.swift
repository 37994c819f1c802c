// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct AttentionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let heads: Int, groups: Int, window: Int?, lengths: [Int]
    /// How many rows of the first sequence the others begin with.
    var shared = 0
    var shape: AttentionShape {
      AttentionShape(headCount: heads, keyValueHeadCount: groups, headWidth: 4, window: window)
    }
    var sequences: [SequenceRows] {
      SequenceRows.endToEnd(lengths).enumerated().map { index, sequence in
        index == 0 ? sequence : SequenceRows(prefix: 0..<shared, own: sequence.own)
      }
    }
    var testDescription: String {
      "\(heads) over \(groups), window \(window ?? 0), \(lengths), \(shared)"
    }
  }

  /// Sequences shorter and longer than a block of queries and than the window.
  static let cases = [
    Case(heads: 1, groups: 1, window: nil, lengths: [1]),
    Case(heads: 4, groups: 2, window: nil, lengths: [5, 1, 17]),
    Case(heads: 4, groups: 1, window: nil, lengths: [100, 3]),
    Case(heads: 2, groups: 2, window: 8, lengths: [3, 70, 9]),
    Case(heads: 6, groups: 2, window: 1, lengths: [66]),
    Case(heads: 2, groups: 1, window: 65, lengths: [130]),
    Case(heads: 4, groups: 2, window: nil, lengths: [7, 5, 1], shared: 7),
    Case(heads: 2, groups: 2, window: 4, lengths: [6, 3, 9], shared: 5),
    Case(heads: 2, groups: 1, window: nil, lengths: [70, 80], shared: 66),
  ]

  private func input(_ item: Case) -> Matrix {
    let rows = item.lengths.reduce(0, +)
    let values = noise(rows * item.shape.rowWidth, "qkv").map { 2 * $0 }
    return Matrix(values, rows: rows, columns: item.shape.rowWidth)
  }

  @Test(arguments: cases)
  func outputIsThatOfThePlainVersion(item: Case) {
    let qkv = input(item)
    var (statistics, scratch) = (AttentionStatistics(), AttentionScratch())
    var output = Matrix(rows: 0, columns: item.shape.queryWidth)
    Kernels.attend(
      qkv, item.shape, item.sequences, statistics: &statistics, scratch: &scratch,
      into: &output)
    let expected = Plain.attention(
      qkv.values.map(Double.init), item.shape, item.sequences)
    #expect(relativeError(output.elements, expected.map { Float($0) }) < 2e-6)
  }

  @Test(arguments: cases)
  func gradientIsThatOfFiniteDifferences(item: Case) {
    let qkv = input(item)
    let dy = noise(rows: qkv.rowCount, columns: item.shape.queryWidth, "dy")
    var (statistics, scratch) = (AttentionStatistics(), AttentionScratch())
    var output = Matrix(rows: 0, columns: item.shape.queryWidth)
    // The gradient must not depend on what was in its memory before.
    var gradient = noise(rows: 200, columns: item.shape.rowWidth, "junk")
    Kernels.attend(
      qkv, item.shape, item.sequences, statistics: &statistics, scratch: &scratch,
      into: &output)
    Kernels.attendBackward(
      qkv, item.shape, item.sequences, output_TQ: output, gradient_TQ: dy,
      statistics: statistics, scratch: &scratch, into: &gradient)
    func loss(_ values: [Double]) -> Double {
      let output = Plain.attention(values, item.shape, item.sequences)
      return zip(output, dy.values).reduce(0) { $0 + $1.0 * Double($1.1) }
    }
    // An odd stride, so that queries, keys and values of all places have their turn; the plain
    // version is slow for long sequences.
    let probeCount = qkv.rowCount > 50 ? 4 : 24
    for index in stride(from: 1, to: qkv.count, by: max(1, qkv.count / probeCount) | 1) {
      var (above, below) = (qkv.values.map(Double.init), qkv.values.map(Double.init))
      above[index] += 1e-5
      below[index] -= 1e-5
      let expected = (loss(above) - loss(below)) / 2e-5
      #expect(abs(Double(gradient.values[index]) - expected) < 2e-5, "element \(index)")
    }
  }

  /// Output and gradient.
  private func results(
    _ item: Case, _ arithmetic: ProductArithmetic
  ) -> (output: [Float], gradient: [Float]) {
    let qkv = input(item)
    let dy = noise(rows: qkv.rowCount, columns: item.shape.queryWidth, "dy")
    var (statistics, scratch) = (AttentionStatistics(), AttentionScratch())
    var output = Matrix(rows: 0, columns: item.shape.queryWidth)
    var gradient = Matrix(rows: 0, columns: item.shape.rowWidth)
    // Twice: what is packed must not depend on what was in its memory before.
    for _ in 0..<2 {
      Kernels.attend(
        qkv, item.shape, item.sequences, in: arithmetic, statistics: &statistics,
        scratch: &scratch, into: &output)
      Kernels.attendBackward(
        qkv, item.shape, item.sequences, in: arithmetic, output_TQ: output, gradient_TQ: dy,
        statistics: statistics, scratch: &scratch, into: &gradient)
    }
    return (output.elements, gradient.elements)
  }

  /// A unit makes nearly what rounded operands make, which is not far from what floats make.
  @Test(arguments: cases, BFloat16Tests.units)
  func inBFloat16OutputAndGradientAreNearlyThose(item: Case, unit: BFloat16Unit) {
    let exact = results(item, .float32)
    let (rounded, packed) = (results(item, .bfloat16(nil)), results(item, .bfloat16(unit)))
    for (exact, rounded, packed) in [
      (exact.output, rounded.output, packed.output),
      (exact.gradient, rounded.gradient, packed.gradient),
    ] {
      let error = relativeError(rounded, exact)
      #expect(error > 1e-4 && error < 2e-2)
      #expect(relativeError(packed, rounded) < error / 4)
    }
  }

  @Test func scoresTooLargeForTheExponentialDoNoHarm() {
    let shape = AttentionShape(headCount: 1, keyValueHeadCount: 1, headWidth: 2, window: nil)
    let qkv = Matrix([900, 0, 900, 0, 1, 2, 900, 0, -900, 0, 3, 4], rows: 2, columns: 6)
    var (statistics, scratch) = (AttentionStatistics(), AttentionScratch())
    var output = Matrix(rows: 0, columns: 2)
    Kernels.attend(
      qkv, shape, SequenceRows.endToEnd([2]), statistics: &statistics, scratch: &scratch,
      into: &output)
    #expect(output.elements == [1, 2, 1, 2])
  }
}
