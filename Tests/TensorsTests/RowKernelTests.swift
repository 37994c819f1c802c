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

  @Test func swigluIsSiluOfGatesTimesUps() {
    let gateUp = Matrix(noise(2 * 2 * 21, "gates").map { 9 * $0 }, rows: 2, columns: 42)
    var y = Matrix(rows: 0, columns: 21)
    Kernels.swiglu(gateUp, into: &y)
    let expected = Plain.rows(gateUp).flatMap { row in
      (0..<21).map { index in
        let gate = Double(row[index])
        return Float(gate / (1 + exp(-gate)) * Double(row[21 + index]))
      }
    }
    #expect(relativeError(y.values, expected) < 1e-6)
  }

  @Test func swigluGradientIsThatOfFiniteDifferences() {
    let dy = noise(rows: 1, columns: 17, "dy")
    let gateUp = Matrix(noise(34, "gates").map { 3 * $0 }, rows: 1, columns: 34)
    func loss(_ values: [Float]) -> Double {
      (0..<17).reduce(0) { sum, index in
        let gate = Double(values[index])
        return sum + gate / (1 + exp(-gate)) * Double(values[17 + index])
          * Double(dy.values[index])
      }
    }
    var gradient = gateUp
    Kernels.replaceBySwigluGradient(dy, &gradient)
    let expected = (0..<34).map { derivative(loss, at: gateUp.values, $0, step: 1e-3) }
    #expect(relativeError(gradient.values, expected) < 1e-4)
  }

  @Test func swigluOfHugeGatesIsFinite() {
    let gateUp = Matrix([1e4, -1e4, 200, -200, 1, 1, 1, 1], rows: 1, columns: 8)
    var y = Matrix(rows: 0, columns: 4)
    Kernels.swiglu(gateUp, into: &y)
    #expect(y.values[0] == 1e4 && y.values[2] == 200)
    #expect(abs(y.values[1]) < 1e-30 && abs(y.values[3]) < 1e-30)
    var gradient = gateUp
    Kernels.replaceBySwigluGradient(Matrix([1, 1, 1, 1], rows: 1, columns: 4), &gradient)
    #expect(Kernels.areFinite(gradient.values))
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
