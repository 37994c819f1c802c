// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Synchronization
internal import Tensors

/// Frozen weights as the checkpoint stores them, of one matrix or several one under the other.
///
/// They become operands for the time of a product only, some rows at a time: memory holds the file,
/// and one tile. Where a unit multiplies bfloat16 and the file has 16 bits or more for each value, they
/// are packed for it by the first product instead, and memory holds that. Other products are made tile
/// by tile whatever is stored, so that equal values give equal bits; a unit's have the same bits either
/// way.
struct FrozenMatrix: Sendable {
  let rowCount: Int
  let columnCount: Int
  /// What its products are made of.
  let arithmetic: ProductArithmetic

  /// How many bytes of memory it takes between products.
  var byteCount: Int {
    if isPackedOnce {
      return PackedPanels.elementCount(depth: columnCount, columns: rowCount)
        * MemoryLayout<UInt16>.size
    }
    return parts.reduce(0) { $0 + $1.byteCount }
  }

  /// Whether it is in no memory but that of the file.
  var isMapped: Bool { !isPackedOnce && parts.allSatisfy(\.isMapped) }

  /// Whether it is packed for a unit by its first product, and kept so.
  var isPackedOnce: Bool { packing != nil }

  /// The rows of each tile, none empty.
  let tiles: [Range<Int>]
  private let parts: [StoredMatrix]
  private let tileElementCount: Int
  private let packing: Packing?
  /// What becomes of the weights before they are multiplied.
  private let change: WeightChange?

  /// The matrices of the tensors `names`, one under the other.
  ///
  /// - Parameters:
  ///   - quantization: nil to leave them as they are stored.
  ///   - tileElementCount: about so many elements are floats at once; by default 2 MiB, so
  ///     that a product of some hundred rows spends little on reading them anew.
  /// - Precondition: there are some, and they are equally wide.
  init(
    _ checkpoint: Checkpoint, _ names: [String], quantization: Quantization? = nil,
    tileElementCount: Int = 512 << 10, arithmetic: ProductArithmetic = .float32
  ) throws(CheckpointError) {
    var parts: [StoredMatrix] = []
    for name in names {
      parts.append(try checkpoint.matrix(name, quantization: quantization))
    }
    let columns = parts.first?.columnCount ?? 0
    precondition(
      columns > 0 && parts.allSatisfy { $0.columnCount == columns }, "widths of \(names)")
    self.init(parts, tileElementCount: tileElementCount, arithmetic: arithmetic)
  }

  private init(
    _ parts: [StoredMatrix], tileElementCount: Int, arithmetic: ProductArithmetic,
    change: WeightChange? = nil
  ) {
    self.change = change
    self.parts = parts
    self.tileElementCount = tileElementCount
    self.arithmetic = arithmetic
    columnCount = parts[0].columnCount
    rowCount = parts.reduce(0) { $0 + $1.rowCount }
    // Of nearly equal size, and whole multiples of some rows but for the last.
    let multiple = arithmetic == .float32 ? 16 : PackedPanels.pieceLength
    let (rows, tileCount) = (rowCount, 1 + rowCount * columnCount / tileElementCount)
    let step = (rows / tileCount / multiple + 1) * multiple
    tiles = stride(from: 0, to: rows, by: step).map { $0..<min(rows, $0 + step) }
    packing =
      change == nil && arithmetic.packs && parts.allSatisfy(\.isWorthPacking) ? Packing() : nil
  }

  /// All of it as the right operand of the product with the transpose, if it is kept so; packed when
  /// it is first asked for.
  var packed: PackedPanels? {
    packing?.panels {
      var (panels, floats) = (PackedPanels(), FloatRoom())
      panels.resize(depth: columnCount, columns: rowCount)
      for rows in tiles {
        pack(rows, into: &panels, from: rows.lowerBound, in: &floats)
        releasePages()
      }
      return panels
    }
  }

  /// The same weights, in products of another kind.
  func computing(in arithmetic: ProductArithmetic) -> FrozenMatrix {
    FrozenMatrix(parts, tileElementCount: tileElementCount, arithmetic: arithmetic)
  }

  /// The same matrix with changed weights, for products alone.
  func changed(by change: WeightChange) -> FrozenMatrix {
    FrozenMatrix(
      parts, tileElementCount: tileElementCount, arithmetic: arithmetic, change: change)
  }

  /// y = x W^T, from row `firstRow` of y on, of each of `partCount` parts of the rows by itself: its
  /// bits are those that it has alone.
  func multiply(
    _ x: Matrix, partCount: Int = 1, into y: inout Matrix, firstRow: Int = 0,
    in room: inout TileRoom
  ) {
    switch arithmetic {
    case .float32:
      for rows in tiles {
        withFloats(of: rows, in: &room.floats) { tile in
          multiply(
            x, partCount, transposed: tile, into: &y, columns: rows, firstRow: firstRow)
        }
      }
    case .bfloat16(let unit?):
      multiplyPacked(x, by: unit, into: &y, firstRow: firstRow, in: &room)
    case .bfloat16(nil):
      multiplyRounded(x, partCount, into: &y, firstRow: firstRow, in: &room)
    }
  }

  /// dx = dy W, from row `firstRow` of dx on, of each part as for the product with the transpose.
  func multiplyTransposed(
    _ dy: Matrix, partCount: Int = 1, into dx: inout Matrix, firstRow: Int = 0,
    in room: inout TileRoom
  ) {
    switch arithmetic {
    case .float32:
      for rows in tiles {
        withFloats(of: rows, in: &room.floats) { tile in
          multiply(
            dy.columns(rows), partCount, tile, into: &dx, firstRow: firstRow,
            adding: rows.lowerBound > 0)
        }
      }
    case .bfloat16(let unit?):
      multiplyTransposedPacked(dy, by: unit, into: &dx, firstRow: firstRow, in: &room)
    case .bfloat16(nil):
      multiplyTransposedRounded(dy, partCount, into: &dx, firstRow: firstRow, in: &room)
    }
  }

  /// One tile's columns of y = x W^T, part by part.
  func multiply(
    _ x: Matrix, _ partCount: Int, transposed tile: BorrowedMatrix, into y: inout Matrix,
    columns: Range<Int>, firstRow: Int
  ) {
    for part in x.rowRanges(of: partCount) {
      Kernels.multiply(
        x.rows(part), transposed: tile, into: &y, columns: columns,
        firstRow: firstRow + part.lowerBound)
    }
  }

  /// One tile's share of dx = dy W, part by part.
  func multiply(
    _ dy: Matrix, _ partCount: Int, _ tile: BorrowedMatrix, into dx: inout Matrix, firstRow: Int,
    adding: Bool
  ) {
    for part in dy.rowRanges(of: partCount) {
      Kernels.multiply(
        dy.rows(part), tile, into: &dx, firstRow: firstRow + part.lowerBound, adding: adding)
    }
  }

  /// Row i of y = row `indices[i]`, as it is stored; y gets as many rows as there are indices.
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
        // The system maps the neighbours of what is read, too.
        if isPackedOnce, place % 8 == 7 { releasePages() }
      }
    }
    if isPackedOnce { releasePages() }
  }

  private func releasePages() { for part in parts { part.releasePages() } }

  /// Calls `body` with rows as floats: where they are stored if they are together, or in `room`.
  func withFloats(
    of rows: Range<Int>, in room: inout FloatRoom, _ body: (BorrowedMatrix) -> Void
  ) {
    func lend(_ values: UnsafeBufferPointer<Float>) {
      if let tile = BorrowedMatrix(values, columns: columnCount) { body(tile) }
    }
    if let lender = lender(of: rows) {
      return lender.part.withStoredFloats(rows: lender.rows, lend)
    }
    room.withRoom(for: rows.count * columnCount) { values in
      expand(rows, into: values)
      lend(UnsafeBufferPointer(values))
    }
  }

  /// Whether rows are read as floats where they are stored.
  func isLent(_ rows: Range<Int>) -> Bool { lender(of: rows) != nil }

  /// The part in which all of some rows are stored as floats, and their numbers there.
  private func lender(of rows: Range<Int>) -> (part: StoredMatrix, rows: Range<Int>)? {
    guard change == nil else { return nil }
    var first = 0
    for part in parts {
      let here = (rows.lowerBound - first)..<(rows.upperBound - first)
      if here.lowerBound >= 0 && here.upperBound <= part.rowCount {
        return part.isStoredAsFloats ? (part, here) : nil
      }
      first += part.rowCount
    }
    return nil
  }

  /// Writes rows as floats to `target`.
  func expand(_ rows: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) {
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
    change?.apply(to: target, rows: rows, columnCount: columnCount)
  }
}

extension StoredMatrix {
  /// Whether packed values take no more memory than it does.
  fileprivate var isWorthPacking: Bool {
    isMapped && byteCount >= rowCount * columnCount * MemoryLayout<UInt16>.size
  }
}

/// What is packed by whoever needs it first, while others wait.
private final class Packing: Sendable {
  private let made = Mutex<PackedPanels?>(nil)

  func panels(_ make: () -> PackedPanels) -> PackedPanels {
    made.withLock { made in
      if let made { return made }
      let panels = make()
      made = panels
      return panels
    }
  }
}
