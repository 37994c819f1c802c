// SPDX-License-Identifier: Apache-2.0
//
// Products whose operands are bfloat16 and whose sums are floats. A bfloat16 is the upper half of a
// float: eight bits of precision, the range of a float.
internal import CKernels

/// What multiplies matrices of bfloat16.
public enum BFloat16Unit: String, Sendable {
  /// Tiles: Intel's Advanced Matrix Extensions.
  case amx
  /// Vectors: AVX-512 BF16.
  case avx512
  /// Plain C, as an oracle for the others.
  case plain

  /// The fastest that this machine has and that computes what it should; nil if there is none.
  public static var available: BFloat16Unit? { found.isRight ? found.unit : nil }

  /// One that this machine has and that is not used, as it makes another product of a known one than
  /// plain C does; nil where all is well.
  public static var distrusted: BFloat16Unit? { found.isRight ? nil : found.unit }

  private static let found: (unit: BFloat16Unit?, isRight: Bool) = {
    let unit: BFloat16Unit? =
      switch tern_bf16_fastest_unit() {
      case TERN_BF16_AMX: .amx
      case TERN_BF16_AVX512: .avx512
      default: nil
      }
    return (unit, unit.map(\.isRight) ?? true)
  }()

  /// Whether it makes of a known product what plain C makes of it.
  private var isRight: Bool { tern_bf16_is_right(code) == 1 }

  var code: tern_bf16_unit {
    switch self {
    case .amx: TERN_BF16_AMX
    case .avx512: TERN_BF16_AVX512
    case .plain: TERN_BF16_PLAIN
    }
  }
}

/// What products of frozen weights, and those of attention, are made of.
public enum ProductArithmetic: Hashable, Sendable {
  /// Single precision.
  case float32
  /// Operands rounded to bfloat16, and sums in single precision, by a unit of the processor; where
  /// there is none, by its units for floats.
  case bfloat16(BFloat16Unit?)

  /// Whether operands are packed in bfloat16.
  public var packs: Bool { if case .bfloat16(.some) = self { true } else { false } }
}

/// The left operand of products: rows as bfloat16, in the order in which units read them.
public struct PackedRows: Sendable {
  fileprivate private(set) var values: [UInt16] = []
  fileprivate private(set) var rowCount = 0
  fileprivate private(set) var depth = 0

  /// No rows yet, and memory for `count` values.
  public init(reserving count: Int = 0) { values.reserveCapacity(count) }

  /// Takes the rows of `x`, in the place of those before.
  public mutating func pack(_ x: Matrix) {
    rowCount = x.rowCount
    depth = x.columnCount
    Kernels.grow(&values, to: Self.elementCount(rows: rowCount, depth: depth))
    values.withUnsafeMutableBufferPointer { packed in
      guard let packed = packed.baseAddress else { return }
      x.withPointer { tern_bf16_pack_rows(x.rowCount, x.columnCount, $0, x.stride, packed) }
    }
  }

  /// How many values it takes.
  public static func elementCount(rows: Int, depth: Int) -> Int {
    panelCount(rows) * stepCount(depth) * tileCount
  }
}

/// The right operand of products, filled piece by piece.
public struct PackedPanels: Sendable {
  fileprivate private(set) var values: [UInt16] = []
  fileprivate private(set) var depth = 0
  fileprivate private(set) var columnCount = 0

  /// Its pieces are of so many rows, or columns, but for the last.
  public static let pieceLength = 32

  /// No operand yet, and memory for `count` values.
  public init(reserving count: Int = 0) { values.reserveCapacity(count) }

  /// How many bytes there are.
  public var byteCount: Int { values.count * MemoryLayout<UInt16>.size }

  /// Makes room for an operand of `depth` rows, each of `columns`.
  public mutating func resize(depth: Int, columns: Int) {
    self.depth = depth
    columnCount = columns
    Kernels.grow(&values, to: Self.elementCount(depth: depth, columns: columns))
  }

  /// Takes columns from number `first` on, which are the rows of `w`.
  ///
  /// - Precondition: they are the operand's, as many as a piece has or the last.
  public mutating func pack(columns w: BorrowedMatrix, from first: Int) {
    precondition(
      w.columnCount == depth && isPiece(first, w.rowCount, of: columnCount),
      "columns \(first) to \(first + w.rowCount) of \(columnCount), each of \(depth)")
    let offset = Self.elementCount(depth: depth, columns: first)
    values.withUnsafeMutableBufferPointer { packed in
      guard let packed = packed.baseAddress else { return }
      Self.pack(columns: w.start, count: w.rowCount, depth: depth, into: packed + offset)
    }
  }

  /// Packs `count` columns, which are rows of `depth` floats end to end.
  static func pack(
    columns w: UnsafePointer<Float>, count: Int, depth: Int,
    into packed: UnsafeMutablePointer<UInt16>
  ) {
    for start in stride(from: 0, to: count, by: tileLength) {
      tern_bf16_pack_panel(
        min(tileLength, count - start), depth, w + start * depth,
        packed + elementCount(depth: depth, columns: start))
    }
  }

  /// Packs `count` rows of `columns` floats, end to end.
  static func pack(
    rows w: UnsafePointer<Float>, count: Int, columns: Int,
    into packed: UnsafeMutablePointer<UInt16>
  ) {
    for start in stride(from: 0, to: count, by: pieceLength) {
      tern_bf16_pack_step(
        min(pieceLength, count - start), columns, w + start * columns, start / pieceLength,
        stepCount(count), packed)
    }
  }

  /// Takes the rows of `w` as the rows from number `first` on.
  ///
  /// - Precondition: they are the operand's, as many as a piece has or the last.
  public mutating func pack(rows w: BorrowedMatrix, from first: Int) {
    precondition(
      w.columnCount == columnCount && isPiece(first, w.rowCount, of: depth),
      "rows \(first) to \(first + w.rowCount) of \(depth), each of \(columnCount)")
    let stepCount = stepCount(depth)
    values.withUnsafeMutableBufferPointer { packed in
      guard let packed = packed.baseAddress else { return }
      tern_bf16_pack_step(
        w.rowCount, w.columnCount, w.start, first / Self.pieceLength, stepCount, packed)
    }
  }

  /// Becomes the operand whose rows are columns of `w`.
  ///
  /// - Precondition: `w` has the columns, which are whole pieces of it.
  public mutating func turn(_ w: PackedPanels, columns: Range<Int>) {
    precondition(
      columns.lowerBound >= 0 && columns.lowerBound.isMultiple(of: Self.pieceLength)
        && columns.upperBound <= w.columnCount
        && (columns.count.isMultiple(of: Self.pieceLength) || columns.upperBound == w.columnCount),
      "columns \(columns) of \(w.columnCount)")
    resize(depth: columns.count, columns: w.depth)
    let (steps, panelCount) = (stepCount(depth), panelCount(columns.count))
    let first = columns.lowerBound / tileLength
    w.values.withUnsafeBufferPointer { from in
      values.withUnsafeMutableBufferPointer { packed in
        guard let from = from.baseAddress, let packed = packed.baseAddress else { return }
        for step in 0..<steps {
          tern_bf16_turn_step(
            min(2, panelCount - 2 * step), w.depth,
            from + (first + 2 * step) * stepCount(w.depth) * tileCount, step, steps, packed)
        }
      }
    }
  }

  private func isPiece(_ first: Int, _ count: Int, of all: Int) -> Bool {
    first >= 0 && first.isMultiple(of: Self.pieceLength)
      && count == min(Self.pieceLength, all - first)
  }

  /// How many values it takes.
  public static func elementCount(depth: Int, columns: Int) -> Int {
    panelCount(columns) * stepCount(depth) * tileCount
  }
}

extension Kernels {
  /// y = x w, or y += x w; `columns` and `firstRow` say where in y this is.
  ///
  /// Each sum is a float. How many products it takes at a time, how those are rounded and whether
  /// subnormal numbers count is the unit's affair, so that units differ in the last bits.
  ///
  /// - Precondition: x has as many columns as w has rows, and y has such rows and columns.
  public static func multiply(
    _ x: PackedRows, _ w: PackedPanels, by unit: BFloat16Unit, into y: inout Matrix,
    columns: Range<Int>? = nil, firstRow: Int = 0, adding: Bool = false
  ) {
    let columns = columns ?? 0..<y.columnCount
    precondition(
      x.depth == w.depth && columns.count == w.columnCount && columns.upperBound <= y.columnCount
        && firstRow >= 0 && firstRow + x.rowCount <= y.rowCount,
      "[\(x.rowCount), \(x.depth)] times [\(w.depth), \(w.columnCount)] into row \(firstRow), "
        + "columns \(columns) of \(y.shape)")
    let (offset, stride) = (y.offset + firstRow * y.stride + columns.lowerBound, y.stride)
    y.values.withUnsafeMutableBufferPointer { target in
      guard let base = target.baseAddress else { return }
      tern_bf16_multiply(
        unit.code, x.rowCount, w.columnCount, stepCount(x.depth), x.values, w.values,
        adding ? 1 : 0, base + offset, stride)
    }
  }

  /// target = values, rounded to the nearest bfloat16, ties to even.
  ///
  /// - Precondition: both are equally long.
  public static func roundToBFloat16(
    _ values: UnsafeBufferPointer<Float>, into target: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(values.count == target.count, "\(values.count) values for \(target.count)")
    guard let from = values.baseAddress, let to = target.baseAddress else { return }
    tern_bf16_round(values.count, from, to)
  }

  /// y = x, rounded to the nearest bfloat16, ties to even; y gets x's shape.
  public static func roundToBFloat16(_ x: Matrix, into y: inout Matrix) {
    y.resize(rows: x.rowCount, columns: x.columnCount)
    y.values.withUnsafeMutableBufferPointer { target in
      guard let target = target.baseAddress else { return }
      x.withPointer { from in
        for row in 0..<x.rowCount {
          tern_bf16_round(x.columnCount, from + row * x.stride, target + row * x.columnCount)
        }
      }
    }
  }
}

// What units work on: tiles of 16 rows, or columns, by a step of 32 in depth.
private let tileLength = 16
private let stepLength = 32
private let tileCount = tileLength * stepLength

private func panelCount(_ count: Int) -> Int { (count + tileLength - 1) / tileLength }
func stepCount(_ depth: Int) -> Int { (depth + stepLength - 1) / stepLength }
