// SPDX-License-Identifier: Apache-2.0

/// Memory that attention uses for one block of queries after the other.
public struct AttentionScratch: Sendable {
  /// The sums over each query head's output and its gradient, in the backward.
  var dots: [Float] = []
  private var memory: [Float] = []

  /// No memory yet.
  public init() {}

  /// Calls `body` with room for the blocks of the longest of `sequences`.
  mutating func withPointers(
    _ shape: AttentionShape, _ sequences: [SequenceRows], _ body: (ScratchPointers) -> Void
  ) {
    let longest = sequences.map(\.length).max() ?? 0
    let (scoreCount, rowCount, keyCount) = Self.counts(shape, longest: longest)
    Kernels.grow(&memory, to: Self.elementCount(shape, longest: longest))
    memory.withUnsafeMutableBufferPointer { buffer in
      guard var next = buffer.baseAddress else { return }
      func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        defer { next += count }
        return next
      }
      body(
        ScratchPointers(
          queries: take(rowCount), keys: take(keyCount), values: take(keyCount),
          outputs: take(rowCount), scores: take(scoreCount), keyGradients: take(keyCount),
          scoreGradients: take(scoreCount)))
    }
  }

  /// How many floats the blocks of a sequence of `longest` tokens need.
  public static func elementCount(_ shape: AttentionShape, longest: Int) -> Int {
    let (scoreCount, rowCount, keyCount) = counts(shape, longest: longest)
    return 2 * scoreCount + 2 * rowCount + 3 * keyCount
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
  let queries: UnsafeMutablePointer<Float>
  let keys: UnsafeMutablePointer<Float>
  let values: UnsafeMutablePointer<Float>
  let outputs: UnsafeMutablePointer<Float>
  let scores: UnsafeMutablePointer<Float>
  let keyGradients: UnsafeMutablePointer<Float>
  let scoreGradients: UnsafeMutablePointer<Float>
}
