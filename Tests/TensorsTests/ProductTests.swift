// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct ProductTests {
  static let sizes = [[1, 1, 1], [5, 7, 3], [64, 33, 130], [19, 8, 576], [3, 200, 8]]

  @Test(arguments: sizes)
  func isTheSumOfProducts(size: [Int]) {
    let x = noise(rows: size[0], columns: size[2], "x")
    let w = noise(rows: size[1], columns: size[2], "w")
    var y = Matrix(rows: size[0], columns: size[1])
    Kernels.multiply(x, transposed: w, into: &y)
    #expect(relativeError(y.values, Plain.product(x, w, transposed: true)) < 1e-5)
    var dx = Matrix(rows: size[0], columns: size[2])
    Kernels.multiply(y, w, into: &dx)
    #expect(relativeError(dx.values, Plain.product(y, w, transposed: false)) < 1e-5)
  }

  @Test func writesOnlyItsColumnsAndRows() {
    let x = noise(rows: 2, columns: 3, "x")
    let w = noise(rows: 4, columns: 3, "w")
    var y = Matrix([Float](repeating: 9, count: 40), rows: 5, columns: 8)
    Kernels.multiply(x, transposed: w, scale: 2, into: &y, columns: 2..<6, firstRow: 1)
    let expected = Plain.product(x, w, transposed: true).map { 2 * $0 }
    #expect(relativeError(y.rows(1..<3).columns(2..<6).elements, expected) < 1e-6)
    #expect(y.values.filter { $0 == 9 }.count == 32)
  }

  @Test func addsToWhatIsThere() {
    let x = noise(rows: 3, columns: 5, "x")
    let w = noise(rows: 5, columns: 4, "w")
    let before = noise(rows: 3, columns: 4, "y")
    var y = before
    Kernels.multiply(x, w, scale: -0.5, into: &y, adding: true)
    let expected = zip(before.values, Plain.product(x, w, transposed: false)).map { $0 - 0.5 * $1 }
    #expect(relativeError(y.values, expected) < 1e-6)
  }

  @Test func readsPartsOfMatrices() {
    let x = noise(rows: 6, columns: 10, "x")
    let w = noise(rows: 7, columns: 9, "w")
    var y = Matrix(rows: 4, columns: 3)
    let (left, right) = (x.rows(1..<5).columns(2..<7), w.rows(2..<5).columns(4..<9))
    Kernels.multiply(left, transposed: right, into: &y)
    #expect(relativeError(y.values, Plain.product(left, right, transposed: true)) < 1e-5)
  }

  @Test func addsTransposedProductsInsideAVector() {
    let x = noise(rows: 11, columns: 6, "x").columns(1..<4)
    let y = noise(rows: 11, columns: 5, "y").columns(0..<2)
    var vector = [Float](repeating: 1, count: 10)
    Kernels.addProduct(transposed: x, y, scale: 3, to: &vector, at: 2)
    let (left, right) = (Plain.rows(x), Plain.rows(y))
    let expected = (0..<6).map { index in
      1 + 3 * (0..<11).reduce(Float(0)) { $0 + left[$1][index / 2] * right[$1][index % 2] }
    }
    #expect(relativeError(Array(vector[2..<8]), expected) < 1e-5)
    #expect(vector[..<2] + vector[8...] == [1, 1, 1, 1])
  }

  @Test func noRowsMakeNoProduct() {
    var y = Matrix(rows: 0, columns: 4)
    Kernels.multiply(
      Matrix(rows: 0, columns: 3), transposed: Matrix(rows: 4, columns: 3), into: &y)
    var vector: [Float] = [5]
    Kernels.addProduct(
      transposed: Matrix(rows: 0, columns: 1), Matrix(rows: 0, columns: 1), scale: 1, to: &vector,
      at: 0)
    #expect(y.count == 0)
    #expect(vector == [5])
  }
}
