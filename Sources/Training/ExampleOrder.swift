// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// The endless stream of a data set's examples: one random order after another.
///
/// Any part of the stream can be asked for alone, and is always the same.
struct ExampleOrder: Sendable {
  /// How many examples there are.
  let exampleCount: Int
  /// Where the orders come from.
  let seed: Seed

  /// The examples at `positions` of the stream, as indices into the data set.
  func indices(at positions: Range<Int>) -> [Int] {
    var indices: [Int] = []
    indices.reserveCapacity(positions.count)
    var position = positions.lowerBound
    while position < positions.upperBound {
      let epoch = position / exampleCount
      let end = min(positions.upperBound, (epoch + 1) * exampleCount)
      let order = permutation(ofEpoch: epoch)
      indices += order[(position - epoch * exampleCount)..<(end - epoch * exampleCount)]
      position = end
    }
    return indices
  }

  private func permutation(ofEpoch epoch: Int) -> [Int] {
    var order = Array(0..<exampleCount)
    var stream = RandomStream(seed.derived("order", UInt64(epoch)))
    stream.shuffle(&order)
    return order
  }
}
