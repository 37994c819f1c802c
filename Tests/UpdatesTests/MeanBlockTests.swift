// SPDX-License-Identifier: Apache-2.0
import Files
import Tensors
import Testing

@testable import Updates

/// Means of updates that are read block by block, on several threads.
@Suite struct MeanBlockTests {
  /// Some blocks, not all of them whole.
  private let layout = ParameterLayout([
    ("a", [50 * blockCount + 3]), ("b", [7]), ("c", [3, blockCount]),
  ])

  private func updates(_ count: Int) throws -> [(payload: Payload, weight: Double)] {
    try (0..<count).map { index in
      let delta = randomVector(layout, seed: UInt64(index))
      return (Payload(try UpdateCodec.dense.encode(delta).payload), Double(index + 1) / 3)
    }
  }

  @Test(arguments: [
    ServerOptimizerRule.sgd(learningRate: 0.7), .sgd(learningRate: 0.7, momentum: 0.9), .adam(),
    .yogi(), .adagrad(),
  ])
  func stepsInPartsAreTheStepOfTheWhole(rule: ServerOptimizerRule) throws {
    let updates = try updates(3)
    var mean = WeightedMean(layout: layout)
    for (payload, weight) in updates {
      try mean.add(payload: try payload.bytes(), codec: .dense, weight: weight)
    }
    let delta = try #require(mean.combined())
    var whole = randomVector(layout, seed: 99)
    var parts = whole
    var wholeOptimizer = ServerOptimizer(rule: rule, layout: layout)
    var partsOptimizer = wholeOptimizer
    for _ in 0..<2 {
      wholeOptimizer.apply(delta, to: &whole)
      try partsOptimizer.step(of: &parts) { step throws(UpdateError) in
        try UpdateCodec.dense.eachMeanBlock(of: updates, layout: layout) { step.move($1, at: $0) }
      }
    }
    #expect(parts.digest == whole.digest)
    #expect(partsOptimizer.state.map(\.digest) == wholeOptimizer.state.map(\.digest))
  }

  @Test func theFirstErrorByPlaceIsThrown() throws {
    var bytes = try UpdateCodec.dense.encode(randomVector(layout, seed: 1)).payload
    let start = UpdateContainer.headerByteCount + UpdateContainer.sectionHeaderByteCount
    for index in [3, 49 * blockCount] {
      bytes.replaceSubrange(
        (start + 4 * index)..<(start + 4 * index + 4), with: [0, 0, 0x80, 0x7F])
    }
    for _ in 0..<20 {
      #expect(throws: UpdateError.nonFinite(tensor: 0, index: 3)) {
        try UpdateCodec.dense.eachMeanBlock(of: [(Payload(bytes), 1)], layout: layout) { _, _ in }
      }
    }
  }
}
