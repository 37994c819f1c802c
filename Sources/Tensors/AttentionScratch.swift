// SPDX-License-Identifier: Apache-2.0

/// Memory that attention uses for one block of queries after the other.
public struct AttentionScratch: Sendable {
  /// The sums over each query head's output and its gradient, in the backward.
  var dots: [Float] = []
  private var memory: [Float] = []
  private var left: [UInt16] = []
  private var right: [UInt16] = []

  /// No memory yet.
  public init() {}

  /// Memory for sequences of up to `longest` tokens, and for so many dots in the backward.
  public init(
    reserving shape: AttentionShape, longest: Int, _ arithmetic: ProductArithmetic, dotCount: Int
  ) {
    let operands = Self.operandCounts(shape, longest: longest, arithmetic)
    memory.reserveCapacity(Self.memoryCount(shape, longest: longest))
    left.reserveCapacity(operands.left)
    right.reserveCapacity(operands.right)
    dots.reserveCapacity(dotCount)
  }

  /// Calls `body` with room for the blocks of the longest of `sequences`.
  mutating func withPointers(
    _ shape: AttentionShape, _ sequences: [SequenceRows], _ arithmetic: ProductArithmetic,
    _ body: (ScratchPointers) -> Void
  ) {
    let longest = sequences.map(\.length).max() ?? 0
    let (scoreCount, rowCount, keyCount) = Self.counts(shape, longest: longest)
    let operands = Self.operandCounts(shape, longest: longest, arithmetic)
    Kernels.grow(&memory, to: Self.memoryCount(shape, longest: longest))
    Kernels.grow(&left, to: operands.left)
    Kernels.grow(&right, to: operands.right)
    withBuffers { memory, left, right in
      guard var next = memory.baseAddress else { return }
      func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        defer { next += count }
        return next
      }
      body(
        ScratchPointers(
          products: AttentionProducts(
            in: arithmetic, left: left.baseAddress, right: right.baseAddress),
          queries: take(rowCount), keys: take(keyCount), values: take(keyCount),
          outputs: take(rowCount), scores: take(scoreCount), keyGradients: take(keyCount),
          scoreGradients: take(scoreCount)))
    }
  }

  private mutating func withBuffers(
    _ body: (
      UnsafeMutableBufferPointer<Float>, UnsafeMutableBufferPointer<UInt16>,
      UnsafeMutableBufferPointer<UInt16>
    ) -> Void
  ) {
    memory.withUnsafeMutableBufferPointer { memory in
      left.withUnsafeMutableBufferPointer { left in
        right.withUnsafeMutableBufferPointer { right in body(memory, left, right) }
      }
    }
  }

  /// How many floats the blocks of a sequence of `longest` tokens need.
  public static func elementCount(
    _ shape: AttentionShape, longest: Int, _ arithmetic: ProductArithmetic
  ) -> Int {
    let operands = operandCounts(shape, longest: longest, arithmetic)
    return memoryCount(shape, longest: longest) + (operands.left + operands.right + 1) / 2
  }

  private static func memoryCount(_ shape: AttentionShape, longest: Int) -> Int {
    let (scoreCount, rowCount, keyCount) = counts(shape, longest: longest)
    return 2 * scoreCount + 2 * rowCount + 3 * keyCount
  }

  /// The values of two bytes that packed operands have.
  private static func operandCounts(
    _ shape: AttentionShape, longest: Int, _ arithmetic: ProductArithmetic
  ) -> (left: Int, right: Int) {
    guard arithmetic.packs else { return (0, 0) }
    return AttentionProducts.operandCounts(
      rows: min(shape.blockLength, longest) * shape.groupSize, keys: longest,
      width: shape.headWidth)
  }

  private static func counts(
    _ shape: AttentionShape, longest: Int
  ) -> (scores: Int, rows: Int, keys: Int) {
    let rows = min(shape.blockLength, longest) * shape.groupSize
    return (
      rows * scoreStride(keyCount: longest), rows * shape.headWidth, longest * shape.headWidth
    )
  }

  /// The distance of two rows of scores: whole vectors, which the softmax fills up.
  static func scoreStride(keyCount: Int) -> Int { (keyCount + 15) / 16 * 16 }
}

/// The memory of one block; valid inside the closure that was given it.
struct ScratchPointers {
  let products: AttentionProducts
  let queries: UnsafeMutablePointer<Float>
  let keys: UnsafeMutablePointer<Float>
  let values: UnsafeMutablePointer<Float>
  let outputs: UnsafeMutablePointer<Float>
  let scores: UnsafeMutablePointer<Float>
  let keyGradients: UnsafeMutablePointer<Float>
  let scoreGradients: UnsafeMutablePointer<Float>
}
