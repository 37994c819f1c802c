// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Tensors

/// Frozen weights as the checkpoint stores them, of one matrix or several one under the other.
///
/// They are floats for the time of a product only, some rows at a time: memory holds the file, and
/// one tile. Products are made tile by tile whatever is stored, so that equal values give equal bits.
struct FrozenMatrix: Sendable {
  let rowCount: Int
  let columnCount: Int

  /// How many bytes it takes as it is stored.
  var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }
  /// How many floats a product needs room for.
  var roomCount: Int { isLent ? 0 : (tiles.map(\.count).max() ?? 0) * columnCount }

  private let parts: [StoredMatrix]
  /// The rows of each tile, none empty.
  private let tiles: [Range<Int>]
  /// Whether tiles are read where they are stored.
  private let isLent: Bool

  /// The matrices of the tensors `names`, one under the other.
  ///
  /// - Parameter tileElementCount: about so many elements are floats at once; by default 2 MiB, so
  ///   that a product of some hundred rows spends little on reading them anew.
  /// - Precondition: there are some, and they are equally wide.
  init(
    _ checkpoint: Checkpoint, _ names: [String], tileElementCount: Int = 512 << 10
  ) throws(CheckpointError) {
    var parts: [StoredMatrix] = []
    for name in names { parts.append(try checkpoint.matrix(name)) }
    let columns = parts.first?.columnCount ?? 0
    precondition(
      columns > 0 && parts.allSatisfy { $0.columnCount == columns }, "widths of \(names)")
    self.parts = parts
    isLent = parts.count == 1 && parts[0].isStoredAsFloats
    columnCount = columns
    rowCount = parts.reduce(0) { $0 + $1.rowCount }
    // Of nearly equal size, and whole multiples of 16 rows but for the last.
    let (rows, tileCount) = (rowCount, 1 + rowCount * columns / tileElementCount)
    let step = (rows / tileCount / 16 + 1) * 16
    tiles = stride(from: 0, to: rows, by: step).map { $0..<min(rows, $0 + step) }
  }

  /// y = x W^T, of each of `partCount` parts of the rows by itself: its bits are those that it has
  /// alone.
  func multiply(
    _ x: Matrix, partCount: Int = 1, into y: inout Matrix, in room: inout TileRoom
  ) {
    let parts = x.rowRanges(of: partCount)
    for rows in tiles {
      withTile(rows, in: &room) { tile in
        for part in parts {
          Kernels.multiply(
            x.rows(part), transposed: tile, into: &y, columns: rows, firstRow: part.lowerBound)
        }
      }
    }
  }

  /// dx = dy W, from row `firstRow` of dx on.
  func multiplyTransposed(
    _ dy: Matrix, into dx: inout Matrix, firstRow: Int = 0, in room: inout TileRoom
  ) {
    for rows in tiles {
      withTile(rows, in: &room) { tile in
        Kernels.multiply(
          dy.columns(rows), tile, into: &dx, firstRow: firstRow, adding: rows.lowerBound > 0)
      }
    }
  }

  /// Row i of y = row `indices[i]`; y gets as many rows as there are indices.
  ///
  /// - Precondition: the matrix has the rows, and is as wide as y.
  func gather(_ indices: [Int32], into y: inout Matrix) {
    precondition(y.columnCount == columnCount, "rows of \(columnCount) for \(y.columnCount)")
    y.resize(rows: indices.count)
    y.values.withUnsafeMutableBufferPointer { values in
      for (place, index) in indices.enumerated() {
        let start = place * columnCount
        expand(
          Int(index)..<(Int(index) + 1),
          into: UnsafeMutableBufferPointer(rebasing: values[start..<(start + columnCount)]))
      }
    }
  }

  private func withTile(
    _ rows: Range<Int>, in room: inout TileRoom, _ body: (BorrowedMatrix) -> Void
  ) {
    func lend(_ values: UnsafeBufferPointer<Float>) {
      if let tile = BorrowedMatrix(values, columns: columnCount) { body(tile) }
    }
    guard !isLent else { return parts[0].withStoredFloats(rows: rows, lend) }
    room.withRoom(for: rows.count * columnCount) { values in
      expand(rows, into: values)
      lend(UnsafeBufferPointer(values))
    }
  }

  private func expand(_ rows: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) {
    var first = 0
    var start = 0
    for part in parts {
      let here = rows.clamped(to: first..<(first + part.rowCount))
      let end = start + here.count * columnCount
      if !here.isEmpty {
        part.expand(
          rows: (here.lowerBound - first)..<(here.upperBound - first),
          into: UnsafeMutableBufferPointer(rebasing: target[start..<end]))
      }
      start = end
      first += part.rowCount
    }
  }
}

/// Memory for one tile, used again and again.
struct TileRoom: Sendable {
  private var values: [Float] = []

  fileprivate mutating func withRoom(
    for count: Int, _ body: (UnsafeMutableBufferPointer<Float>) -> Void
  ) {
    if values.count < count { values = [Float](repeating: 0, count: count) }
    values.withUnsafeMutableBufferPointer {
      body(UnsafeMutableBufferPointer(rebasing: $0[..<count]))
    }
  }
}
