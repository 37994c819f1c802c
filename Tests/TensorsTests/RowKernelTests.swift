// SPDX-License-Identifier: Apache-2.0
import Foundation
import Tensors
import Testing

struct RowKernelTests {
  private let widths = [1, 15, 16, 33, 576]

  @Test func normHasTheBitsOfThePlainVersion() {
    for width in widths {
      let x = noise(rows: 3, columns: width, "x")
      let weight = noise(width, "weight")
      var reciprocals: [Float] = []
      var y = Matrix(rows: 0, columns: width)
      Kernels.normalize(x, weight: weight, epsilon: 1e-5, reciprocals: &reciprocals, into: &y)
      let expected = Plain.rows(x).flatMap {
        Plain.exactNorm($0, weight: weight, epsilon: 1e-5)
      }
      #expect(y.values.map(\.bitPattern) == expected.map(\.bitPattern), "width \(width)")
      var again = Matrix(rows: 0, columns: width)
      Kernels.normalizeAgain(x, weight: weight, reciprocals: reciprocals, into: &again)
      #expect(again.values == y.values)
    }
  }

  @Test func normGradientIsThatOfFiniteDifferences() {
    let (width, weight, dy) = (19, noise(19, "weight"), noise(rows: 1, columns: 19, "dy"))
    let x = noise(rows: 1, columns: width, "x")
    func loss(_ values: [Float]) -> Double {
      let scale = 1 / (dot(values, values) / Double(width) + 1e-5).squareRoot()
      return zip(zip(values, weight), dy.values).reduce(0) { sum, terms in
        sum + Double(terms.0.0) * scale * Double(terms.0.1) * Double(terms.1)
      }
    }
    var (reciprocals, y): ([Float], Matrix) = ([], Matrix(rows: 0, columns: width))
    Kernels.normalize(x, weight: weight, epsilon: 1e-5, reciprocals: &reciprocals, into: &y)
    var dx = Matrix([Float](repeating: 1, count: width), rows: 1, columns: width)
    Kernels.addNormalizeGradient(dy, x: x, weight: weight, reciprocals: reciprocals, to: &dx)
    let expected = (0..<width).map { 1 + derivative(loss, at: x.values, $0, step: 1e-3) }
    #expect(relativeError(dx.values, expected) < 1e-4)
  }

  @Test func layerNormHasTheBitsOfThePlainVersion() {
    for width in widths {
      let x = noise(rows: 3, columns: width, "x")
      let (weight, bias) = (noise(width, "weight"), noise(width, "bias"))
      var moments: [Float] = []
      var y = Matrix(rows: 0, columns: width)
      Kernels.layerNormalize(
        x, weight: weight, bias: bias, epsilon: 1e-5, moments: &moments, into: &y)
      let expected = Plain.rows(x).flatMap {
        Plain.exactLayerNorm($0, weight: weight, bias: bias, epsilon: 1e-5)
      }
      #expect(y.values.map(\.bitPattern) == expected.map(\.bitPattern), "width \(width)")
      var again = Matrix(rows: 0, columns: width)
      Kernels.layerNormalizeAgain(x, weight: weight, bias: bias, moments: moments, into: &again)
      #expect(again.values == y.values)
    }
  }

  @Test func layerNormGradientIsThatOfFiniteDifferences() {
    let (width, weight, bias) = (19, noise(19, "weight"), noise(19, "bias"))
    let (x, dy) = (noise(rows: 2, columns: width, "x"), noise(rows: 2, columns: width, "dy"))
    func loss(_ values: [Float]) -> Double {
      let rows = stride(from: 0, to: values.count, by: width).map {
        values[$0..<($0 + width)].map(Double.init)
      }
      let normed = rows.flatMap { row in
        let mean = row.reduce(0, +) / Double(width)
        let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
        return row.indices.map {
          (row[$0] - mean) / (variance + 1e-5).squareRoot() * Double(weight[$0]) + Double(bias[$0])
        }
      }
      return zip(normed, dy.values).reduce(0) { $0 + $1.0 * Double($1.1) }
    }
    var (moments, y): ([Float], Matrix) = ([], Matrix(rows: 0, columns: width))
    Kernels.layerNormalize(
      x, weight: weight, bias: bias, epsilon: 1e-5, moments: &moments, into: &y)
    var dx = Matrix([Float](repeating: 1, count: 2 * width), rows: 2, columns: width)
    Kernels.addLayerNormalizeGradient(dy, x: x, weight: weight, moments: moments, to: &dx)
    let expected = (0..<(2 * width)).map { 1 + derivative(loss, at: x.values, $0, step: 1e-3) }
    #expect(relativeError(dx.values, expected) < 1e-4)
  }

  @Test func layerNormOfEqualValuesIsItsBias() {
    let x = Matrix([Float](repeating: 3.7, count: 40), rows: 2, columns: 20)
    let bias = noise(20, "bias")
    var (moments, y): ([Float], Matrix) = ([], Matrix(rows: 0, columns: 20))
    Kernels.layerNormalize(
      x, weight: noise(20, "weight"), bias: bias, epsilon: 1e-5, moments: &moments, into: &y)
    #expect(relativeError(y.values, bias + bias) < 1e-3)
  }

  @Test func rowsAreGatheredAddedAndScattered() {
    let x = Matrix([1, 2, 3, 4, 5, 6], rows: 3, columns: 2)
    var y = Matrix(rows: 0, columns: 2)
    Kernels.gather([2, 0, 2], of: x, into: &y)
    #expect(y.elements == [5, 6, 1, 2, 5, 6])
    Kernels.add([1, 1, 0], of: x, to: &y)
    #expect(y.elements == [8, 10, 4, 6, 6, 8])
    Kernels.scatter(x.rows(0..<2).whole, to: [3, 1], rows: 4, into: &y)
    #expect(y.elements == [0, 0, 3, 4, 0, 0, 1, 2])
  }

  @Test func biasesAndMatricesAreAdded() {
    var y = Matrix([1, 2, 3, 4], rows: 2, columns: 2)
    Kernels.add([10, 20], toRowsOf: &y)
    #expect(y.elements == [11, 22, 13, 24])
    Kernels.add(Matrix([1, 1, 2, 2], rows: 2, columns: 2), to: &y)
    #expect(y.elements == [12, 23, 15, 26])
    var copy = Matrix(rows: 0, columns: 2)
    Kernels.copy(y, into: &copy)
    #expect(copy.elements == y.elements)
  }
}

extension Matrix {
  /// The same matrix in memory of its own.
  var whole: Matrix { Matrix(elements, rows: rowCount, columns: columnCount) }
}
