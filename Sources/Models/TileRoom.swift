// SPDX-License-Identifier: Apache-2.0
internal import Tensors

/// Memory for the operands of one product, used again and again.
struct TileRoom: Sendable {
  /// Weights as floats.
  var floats = FloatRoom()
  /// What weights are multiplied with, rounded.
  var rounded = Matrix(rows: 0, columns: 1)
  /// What weights are multiplied with, packed.
  var rows = PackedRows()
  /// Weights, packed.
  var panels = PackedPanels()

  /// No memory yet.
  init() {}

  /// Memory for products of some extent.
  init(reserving extent: TileRoomExtent) {
    floats = FloatRoom(reserving: extent.floats)
    rounded = Matrix(reserving: extent.rounded, columns: 1)
    rows = PackedRows(reserving: extent.rows)
    panels = PackedPanels(reserving: extent.panels)
  }
}

/// Memory for floats that nobody needs afterwards.
struct FloatRoom: Sendable {
  private var values: [Float] = []

  /// Memory for so many.
  init(reserving count: Int = 0) { values.reserveCapacity(count) }

  /// Calls `body` with room for `count` floats, which may be anything.
  mutating func withRoom(for count: Int, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    Kernels.grow(&values, to: count)
    values.withUnsafeMutableBufferPointer {
      body(UnsafeMutableBufferPointer(rebasing: $0[..<count]))
    }
  }
}

/// How large the parts of a `TileRoom` are, at most.
struct TileRoomExtent {
  /// Of `floats` and of `rounded`.
  var floats = 0, rounded = 0
  /// Of `rows` and of `panels`, in values of two bytes.
  var rows = 0, panels = 0

  /// All of them, in floats.
  var floatCount: Int { floats + rounded + (rows + panels + 1) / 2 }

  /// The extent that two rooms have when they are one.
  func union(_ other: TileRoomExtent) -> TileRoomExtent {
    TileRoomExtent(
      floats: max(floats, other.floats), rounded: max(rounded, other.rounded),
      rows: max(rows, other.rows), panels: max(panels, other.panels))
  }
}

extension FrozenMatrix {
  /// The room of products of `count` rows.
  func room(forRows count: Int) -> TileRoomExtent {
    let tile = tiles.map(\.count).max() ?? 0
    let depth = max(columnCount, tile)
    switch arithmetic {
    case .float32:
      return TileRoomExtent(floats: tiles.allSatisfy(isLent) ? 0 : tile * columnCount)
    case .bfloat16(nil):
      return TileRoomExtent(floats: tile * columnCount, rounded: count * depth)
    case .bfloat16:
      return TileRoomExtent(
        floats: isPackedOnce || tiles.flatMap(pieces).allSatisfy(isLent)
          ? 0 : PackedPanels.pieceLength * columnCount,
        rows: PackedRows.elementCount(rows: count, depth: depth),
        panels: max(
          isPackedOnce ? 0 : PackedPanels.elementCount(depth: columnCount, columns: tile),
          PackedPanels.elementCount(depth: tile, columns: columnCount)))
    }
  }
}
