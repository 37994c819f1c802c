// SPDX-License-Identifier: Apache-2.0
internal import Tensors

/// Products of bfloat16: by a unit that reads packed operands, and by any processor, whose floats
/// are rounded to bfloat16 before they are multiplied. A unit sums each row by itself, so that parts of
/// rows are nothing to it.
extension FrozenMatrix {
  func multiplyPacked(
    _ x: Matrix, by unit: BFloat16Unit, into y: inout Matrix, firstRow: Int,
    in room: inout TileRoom
  ) {
    room.rows.pack(x)
    if let packed {
      return Kernels.multiply(room.rows, packed, by: unit, into: &y, firstRow: firstRow)
    }
    for rows in tiles {
      room.panels.resize(depth: columnCount, columns: rows.count)
      pack(rows, into: &room.panels, from: 0, in: &room.floats)
      Kernels.multiply(
        room.rows, room.panels, by: unit, into: &y, columns: rows, firstRow: firstRow)
    }
  }

  func multiplyTransposedPacked(
    _ dy: Matrix, by unit: BFloat16Unit, into dx: inout Matrix, firstRow: Int,
    in room: inout TileRoom
  ) {
    for rows in tiles {
      room.rows.pack(dy.columns(rows))
      if let packed {
        room.panels.turn(packed, columns: rows)
      } else {
        packTransposed(rows, into: &room.panels, in: &room.floats)
      }
      Kernels.multiply(
        room.rows, room.panels, by: unit, into: &dx, firstRow: firstRow,
        adding: rows.lowerBound > 0)
    }
  }

  func multiplyRounded(
    _ x: Matrix, _ partCount: Int, into y: inout Matrix, firstRow: Int, in room: inout TileRoom
  ) {
    Kernels.roundToBFloat16(x, into: &room.rounded)
    for rows in tiles {
      withRoundedFloats(of: rows, in: &room.floats) { [x = room.rounded] tile in
        multiply(
          x, partCount, transposed: tile, into: &y, columns: rows, firstRow: firstRow)
      }
    }
  }

  func multiplyTransposedRounded(
    _ dy: Matrix, _ partCount: Int, into dx: inout Matrix, firstRow: Int, in room: inout TileRoom
  ) {
    for rows in tiles {
      Kernels.roundToBFloat16(dy.columns(rows), into: &room.rounded)
      withRoundedFloats(of: rows, in: &room.floats) { [dy = room.rounded] tile in
        multiply(
          dy, partCount, tile, into: &dx, firstRow: firstRow, adding: rows.lowerBound > 0)
      }
    }
  }

  /// The rows of a tile in as many as are packed at a time.
  func pieces(of rows: Range<Int>) -> [Range<Int>] {
    stride(from: rows.lowerBound, to: rows.upperBound, by: PackedPanels.pieceLength).map {
      $0..<min(rows.upperBound, $0 + PackedPanels.pieceLength)
    }
  }

  /// Makes rows the columns of `panels` from number `first` on.
  func pack(
    _ rows: Range<Int>, into panels: inout PackedPanels, from first: Int, in floats: inout FloatRoom
  ) {
    for piece in pieces(of: rows) {
      withFloats(of: piece, in: &floats) { weights in
        panels.pack(columns: weights, from: first + piece.lowerBound - rows.lowerBound)
      }
    }
  }

  /// Makes rows the rows of `panels`.
  private func packTransposed(
    _ rows: Range<Int>, into panels: inout PackedPanels, in floats: inout FloatRoom
  ) {
    panels.resize(depth: rows.count, columns: columnCount)
    for piece in pieces(of: rows) {
      withFloats(of: piece, in: &floats) { weights in
        panels.pack(rows: weights, from: piece.lowerBound - rows.lowerBound)
      }
    }
  }

  private func withRoundedFloats(
    of rows: Range<Int>, in room: inout FloatRoom, _ body: (BorrowedMatrix) -> Void
  ) {
    room.withRoom(for: rows.count * columnCount) { values in
      expand(rows, into: values)
      Kernels.roundToBFloat16(UnsafeBufferPointer(values), into: values)
      if let tile = BorrowedMatrix(UnsafeBufferPointer(values), columns: columnCount) {
        body(tile)
      }
    }
  }
}
