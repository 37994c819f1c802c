// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct MatrixTests {
  private let whole = Matrix((0..<12).map { Float($0) }, rows: 3, columns: 4)

  @Test func partsAreRowsAndColumnsOfTheWhole() {
    #expect(whole.columns(1..<3).elements == [1, 2, 5, 6, 9, 10])
    #expect(whole.rows(1..<3).elements == [4, 5, 6, 7, 8, 9, 10, 11])
    #expect(whole.rows(1..<3).columns(2..<4).elements == [6, 7, 10, 11])
    #expect(whole.rows(3..<3).elements.isEmpty)
  }

  @Test func aMatrixCanLieAnywhereInAVector() {
    let part = Matrix(whole.values, at: 5, rows: 2, columns: 3)
    #expect(part.elements == [5, 6, 7, 8, 9, 10])
    #expect(part.count == 6)
  }

  @Test func memoryOnlyGrows() {
    var matrix = Matrix(rows: 2, columns: 3)
    matrix.resize(rows: 10)
    #expect(matrix.values.count == 30)
    matrix.resize(rows: 1)
    #expect(matrix.count == 3)
    matrix.resize(rows: 3, columns: 10)
    #expect(matrix.values.count == 30)
    #expect(matrix.count == 30)
  }

  @Test func clearingReachesUsedElementsOnly() {
    var matrix = whole
    matrix.resize(rows: 2)
    matrix.clear()
    #expect(matrix.values == [0, 0, 0, 0, 0, 0, 0, 0, 8, 9, 10, 11])
  }

  @Test func partsKeepTheirValuesWhenTheWholeChanges() {
    var matrix = whole
    let part = matrix.columns(0..<2)
    matrix.clear()
    #expect(part.elements == [0, 1, 4, 5, 8, 9])
  }

  @Test func rowsAreRepeatedInOldAndInNewMemory() {
    var matrix = Matrix([1, 2, 3, 4], rows: 2, columns: 2)
    matrix.repeatRows(3)
    #expect(matrix.elements == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4])
    matrix.resize(rows: 1)
    matrix.values.replaceSubrange(0..<2, with: [8, 9])
    matrix.repeatRows(4)
    #expect(matrix.elements == [8, 9, 8, 9, 8, 9, 8, 9] && matrix.values.count == 12)
    matrix.repeatRows(1)
    #expect(matrix.rowCount == 4)
    matrix.resize(rows: 0)
    matrix.repeatRows(2)
    #expect(matrix.rowCount == 0)
  }
}
