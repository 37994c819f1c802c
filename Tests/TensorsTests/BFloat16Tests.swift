// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct BFloat16Tests {
  /// Every unit that can be tried here; plain C is that of all machines.
  static let units = [BFloat16Unit.plain] + (BFloat16Unit.available.map { [$0] } ?? [])

  /// Whole tiles and steps, one of each, parts of each, and more of each than a block has.
  static let sizes = [
    [32, 32, 32], [16, 16, 32], [1, 1, 1], [33, 47, 31], [5, 70, 100], [70, 33, 65], [48, 16, 3],
  ]

  @Test func roundsToTheNearestAndTiesToEven() {
    let one: UInt32 = 0x3F80_0000
    let cases: [(UInt32, UInt32)] = [
      (one, one), (one + 0x7FFF, one), (one + 0x8000, one), (one + 0x8001, one + 0x1_0000),
      (one + 0x1_8000, one + 0x2_0000), (one + 0x1_7FFF, one + 0x1_0000),
      (0x8000_0000, 0x8000_0000), (0x0000_8001, 0x0001_0000),
      (0x7F7F_FFFF, 0x7F80_0000), (0xFF80_0000, 0xFF80_0000),
    ]
    #expect(
      rounded(cases.map { Float(bitPattern: $0.0) }).map { $0.bitPattern } == cases.map { $0.1 })
    #expect(rounded([.nan, Float(bitPattern: 0x7F80_0001)]).allSatisfy { $0.isNaN })
  }

  @Test(arguments: sizes, units)
  func productsAreThoseOfTheRoundedOperands(size: [Int], unit: BFloat16Unit) {
    let x = noise(rows: size[0], columns: size[2], "x")
    let w = noise(rows: size[1], columns: size[2], "w")
    let (roundedX, roundedW) = (rounded(x), rounded(w))
    var rows = PackedRows()
    rows.pack(x)
    var y = Matrix(rows: size[0], columns: size[1])
    Kernels.multiply(rows, columns(w), by: unit, into: &y)
    #expect(relativeError(y.values, Plain.product(roundedX, roundedW, transposed: true)) < 1e-5)

    let dy = rounded(y)
    rows.pack(y)
    var dx = Matrix(rows: size[0], columns: size[2])
    Kernels.multiply(rows, self.rows(w), by: unit, into: &dx)
    #expect(relativeError(dx.values, Plain.product(dy, roundedW, transposed: false)) < 1e-5)
  }

  /// Sums of small whole numbers have one value, whatever their order.
  @Test(arguments: sizes, units)
  func exactProductsAreExactAndReplaceOrAddWhereTheyShould(size: [Int], unit: BFloat16Unit) {
    let x = whole(rows: size[0], columns: size[2], 37)
    let w = whole(rows: size[1], columns: size[2], 29)
    let product = Plain.product(x, w, transposed: true)
    var rows = PackedRows()
    rows.pack(x)
    for adding in [false, true] {
      var y = Matrix(
        [Float](repeating: 1, count: (size[0] + 3) * (size[1] + 5)), rows: size[0] + 3,
        columns: size[1] + 5)
      let place = 2..<(size[1] + 2)
      Kernels.multiply(
        rows, columns(w), by: unit, into: &y, columns: place, firstRow: 1, adding: adding)
      #expect(
        y.rows(1..<(size[0] + 1)).columns(place).elements == product.map { $0 + (adding ? 1 : 0) })
      var untouched = y.values.count - product.count
      for row in 0..<y.rowCount {
        for column in 0..<y.columnCount where !(1...size[0] ~= row && place ~= column) {
          untouched -= y.values[row * y.stride + column] == 1 ? 1 : 0
        }
      }
      #expect(untouched == 0)
    }
  }

  /// What is turned is what would have been packed the other way, in whole or in parts.
  @Test(arguments: sizes, units)
  func turnedOperandsAreThoseOfTheTranspose(size: [Int], unit: BFloat16Unit) {
    let w = noise(rows: size[1], columns: size[2], "w")
    let x = noise(rows: size[0], columns: size[1], "x")
    let panels = columns(w)
    var (turned, packed) = (PackedPanels(), PackedRows())
    func product(_ x: Matrix, _ w: PackedPanels) -> [Float] {
      var y = Matrix(rows: x.rowCount, columns: size[2])
      packed.pack(x)
      Kernels.multiply(packed, w, by: unit, into: &y)
      return y.values
    }
    turned.turn(panels, columns: 0..<size[1])
    #expect(product(x, turned) == product(x, rows(w)))
    for first in stride(from: 0, to: size[1], by: PackedPanels.pieceLength) {
      let piece = first..<min(size[1], first + PackedPanels.pieceLength)
      turned.turn(panels, columns: piece)
      let part = Matrix(w.rows(piece).elements, rows: piece.count, columns: size[2])
      let left = Matrix(x.columns(piece).elements, rows: size[0], columns: piece.count)
      #expect(product(left, turned) == product(left, rows(part)))
    }
  }

  @Test func thisMachinesUnitIsRight() {
    #expect(BFloat16Unit.distrusted == nil)
  }

  @Test func anOperandForgetsWhatItWasBefore() {
    var panels = columns(whole(rows: 40, columns: 40, 3))
    let w = whole(rows: 17, columns: 5, 11)
    fill(&panels, columnsFrom: w)
    let x = whole(rows: 3, columns: 5, 7)
    var rows = PackedRows()
    rows.pack(whole(rows: 33, columns: 64, 5))
    rows.pack(x)
    var y = Matrix(rows: 3, columns: 17)
    Kernels.multiply(rows, panels, by: .plain, into: &y)
    #expect(y.values == Plain.product(x, w, transposed: true))
  }

  // MARK: Operands

  private func rounded(_ values: [Float]) -> [Float] {
    rounded(Matrix(values, rows: 1, columns: values.count)).values
  }

  private func rounded(_ x: Matrix) -> Matrix {
    var y = Matrix(rows: 0, columns: 1)
    Kernels.roundToBFloat16(x, into: &y)
    return y
  }

  private func whole(rows: Int, columns: Int, _ factor: Int) -> Matrix {
    Matrix(
      (0..<(rows * columns)).map { Float($0 * factor % 23 - 11) }, rows: rows, columns: columns)
  }

  private func columns(_ w: Matrix) -> PackedPanels {
    var panels = PackedPanels()
    fill(&panels, columnsFrom: w)
    return panels
  }

  private func fill(_ panels: inout PackedPanels, columnsFrom w: Matrix) {
    panels.resize(depth: w.columnCount, columns: w.rowCount)
    forEachPiece(of: w) { piece, first in panels.pack(columns: piece, from: first) }
  }

  private func rows(_ w: Matrix) -> PackedPanels {
    var panels = PackedPanels()
    panels.resize(depth: w.rowCount, columns: w.columnCount)
    forEachPiece(of: w) { piece, first in panels.pack(rows: piece, from: first) }
    return panels
  }

  private func forEachPiece(of w: Matrix, _ body: (BorrowedMatrix, Int) -> Void) {
    for first in stride(from: 0, to: w.rowCount, by: PackedPanels.pieceLength) {
      let piece = w.rows(first..<min(w.rowCount, first + PackedPanels.pieceLength)).elements
      piece.withUnsafeBufferPointer {
        if let piece = BorrowedMatrix($0, columns: w.columnCount) { body(piece, first) }
      }
    }
  }
}
