// SPDX-License-Identifier: Apache-2.0
internal import Tensors

/// Where a workspace's memory comes from: counted before a step is made, or taken.
///
/// The same code asks it for either, so that a plan says what is taken. The system gives pages when
/// they are first written to: batches that are smaller than planned take less.
struct Arena {
  /// How many bytes were asked for so far.
  private(set) var byteCount = 0
  private let isCounting: Bool

  /// An arena that only counts.
  static var counting: Arena { Arena(isCounting: true) }
  /// An arena that takes memory.
  static var taking: Arena { Arena(isCounting: false) }

  private init(isCounting: Bool) { self.isCounting = isCounting }

  /// A matrix without rows, which has memory for so many.
  mutating func matrix(rows: Int, columns: Int) -> Matrix {
    Matrix(reserving: take(rows * columns) / columns, columns: columns)
  }

  /// No floats, with memory for so many.
  mutating func floats(_ count: Int) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(take(count))
    return values
  }

  /// Statistics of attention for so many tokens and heads in all.
  mutating func attentionStatistics(_ count: Int) -> AttentionStatistics {
    AttentionStatistics(reserving: take(2 * count) / 2)
  }

  /// Memory for attention in sequences of up to `longest` tokens, whose backward has so many dots.
  mutating func attentionScratch(
    _ shape: AttentionShape, longest: Int, _ arithmetic: ProductArithmetic, dotCount: Int
  ) -> AttentionScratch {
    let count = AttentionScratch.elementCount(shape, longest: longest, arithmetic)
    guard take(count + dotCount) > 0 else { return AttentionScratch() }
    return AttentionScratch(
      reserving: shape, longest: longest, arithmetic, dotCount: dotCount)
  }

  /// Memory for the operands of products.
  mutating func tileRoom(_ extent: TileRoomExtent) -> TileRoom {
    guard take(extent.floatCount) > 0 else { return TileRoom() }
    return TileRoom(reserving: extent)
  }

  /// Counts so many floats; how many are to be taken now.
  private mutating func take(_ count: Int) -> Int {
    byteCount += count * MemoryLayout<Float>.size
    return isCounting ? 0 : count
  }
}
