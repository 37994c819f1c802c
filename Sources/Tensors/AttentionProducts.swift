// SPDX-License-Identifier: Apache-2.0
internal import CKernels
internal import COpenBLAS

/// The matrix products of attention: of floats, of floats that were rounded to bfloat16, or by a unit
/// for bfloat16, which packs its operands into memory that each product uses anew.
///
/// Sums are floats in all of them. Extents are those of the result, and the `depth` that is summed over.
struct AttentionProducts {
  private enum Kind {
    case floats, rounded
    case packed(
      BFloat16Unit, left: UnsafeMutablePointer<UInt16>, right: UnsafeMutablePointer<UInt16>)
  }
  private let kind: Kind

  /// Products in `arithmetic`.
  ///
  /// - Precondition: where operands are packed, there is memory for as many values as `operandCounts`.
  init(
    in arithmetic: ProductArithmetic, left: UnsafeMutablePointer<UInt16>?,
    right: UnsafeMutablePointer<UInt16>?
  ) {
    switch (arithmetic, left, right) {
    case (.float32, _, _): kind = .floats
    case (.bfloat16(nil), _, _): kind = .rounded
    case (.bfloat16(let unit?), let left?, let right?):
      kind = .packed(unit, left: left, right: right)
    default: preconditionFailure("no memory for operands of \(arithmetic)")
    }
  }

  /// A left operand, whose rows are `stride` apart; right operands lie end to end.
  struct Rows {
    let start: UnsafePointer<Float>
    let stride: Int
  }

  /// Where a result is put.
  struct Target {
    let start: UnsafeMutablePointer<Float>
    let stride: Int
  }

  /// How many values its memory has, for blocks of `rows` queries' heads and `keys` keys.
  static func operandCounts(rows: Int, keys: Int, width: Int) -> (left: Int, right: Int) {
    (
      max(
        PackedRows.elementCount(rows: rows, depth: max(keys, width)),
        PackedRows.elementCount(rows: keys, depth: rows)),
      max(
        PackedPanels.elementCount(depth: width, columns: keys),
        PackedPanels.elementCount(depth: max(keys, rows), columns: width))
    )
  }

  /// Makes an operand what the products take, where they take floats.
  func prepare(_ values: UnsafeMutablePointer<Float>, count: Int) {
    if case .rounded = kind { tern_bf16_round(count, values, values) }
  }

  /// Which operand's transpose is multiplied.
  enum Transposed {
    case neither, left, right
  }

  /// c = a b, a^T b or a b^T.
  func multiply(
    _ a: Rows, _ b: UnsafePointer<Float>, _ transposed: Transposed, into c: Target, rows: Int,
    columns: Int, depth: Int
  ) {
    guard case .packed(let unit, let left, let right) = kind else {
      cblas_sgemm(
        CblasRowMajor, transposed == .left ? CblasTrans : CblasNoTrans,
        transposed == .right ? CblasTrans : CblasNoTrans, Int32(rows), Int32(columns),
        Int32(depth), 1, a.start, Int32(a.stride), b,
        Int32(transposed == .right ? depth : columns), 0, c.start, Int32(c.stride))
      return
    }
    if transposed == .left {
      tern_bf16_pack_columns(rows, depth, a.start, a.stride, left)
    } else {
      tern_bf16_pack_rows(rows, depth, a.start, a.stride, left)
    }
    if transposed == .right {
      PackedPanels.pack(columns: b, count: columns, depth: depth, into: right)
    } else {
      PackedPanels.pack(rows: b, count: depth, columns: columns, into: right)
    }
    tern_bf16_multiply(
      unit.code, rows, columns, stepCount(depth), left, right, 0, c.start, c.stride)
  }
}
