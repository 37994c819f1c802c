// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

@testable import Updates

@Suite struct TernaryUpdateTests {
  @Test func oneChoiceIsMadeForTheWholeDelta() throws {
    let delta = ParameterVector(
      layout: layout(3, 2, 3), values: [10, -1, 9, 0.5, 0.5, -8, 7, -0.25])
    let update = try TernaryUpdate(largest: 4, of: delta)
    #expect(update.tensors.map(\.nonZeroCount) == [2, 0, 2])
    #expect(update.tensors.map(\.scale) == [9.5, 0, 7.5])
    #expect(update.decoded().values == [9.5, 0, 9.5, 0, 0, -7.5, 7.5, 0])
  }

  @Test func exactlyTheWantedNumberIsKept() throws {
    let delta = randomVector(layout(700, 1, 299), seed: 1)
    for keptCount in [0, 1, 10, 333, 999, 1000] {
      #expect(try TernaryUpdate(largest: keptCount, of: delta).nonZeroCount == keptCount)
    }
  }

  @Test func nonZerosHaveTheirIndicesAndSigns() throws {
    let update = try TernaryUpdate(largest: 2, of: vector([0.1, -3, 0.2, 5]))
    let nonZeros = Array(update.tensors[0].nonZeros)
    #expect(nonZeros.map(\.index) == [1, 3])
    #expect(nonZeros.map(\.isPositive) == [false, true])
  }

  @Test func theScaleIsAMeanInDoublePrecision() throws {
    // In single precision the sum would stop growing at 2^24.
    let values = [Float(0x1p24)] + [Float](repeating: 1, count: 4095)
    let update = try TernaryUpdate(largest: 4096, of: vector(values))
    #expect(update.tensors[0].scale == Float((0x1p24 + 4095) / 4096))
  }

  @Test func theScaleOfTheSmallestNumbersIsNotZero() throws {
    let update = try TernaryUpdate(
      largest: 3, of: vector([.leastNonzeroMagnitude, -.leastNonzeroMagnitude, 0]))
    #expect(update.tensors[0].scale == .leastNonzeroMagnitude)
  }

  @Test func addingSignsIsAddingTheVector() throws {
    let layout = layout(500, 20, 3)
    var sparse = WeightedMean(layout: layout)
    var dense = WeightedMean(layout: layout)
    for seed in 0..<5 {
      let update = try TernaryUpdate(
        largest: 40, of: randomVector(layout, seed: UInt64(seed)))
      sparse.add(update, weight: Double(seed * 3 + 1))
      dense.add(update.decoded(), weight: Double(seed * 3 + 1))
    }
    #expect(sparse.combined()?.digest == dense.combined()?.digest)
  }

  @Test func theNormNeedsNoVector() throws {
    let update = try TernaryUpdate(largest: 50, of: randomVector(layout(300, 200), seed: 3))
    #expect(abs(update.norm / update.decoded().norm - 1) < 1e-12)
  }

  @Test func thePayloadHoldsTheUpdate() throws {
    let layout = layout(300, 1, 200)
    for keptCount in [0, 1, 25, 501] {
      let update = try TernaryUpdate(largest: keptCount, of: randomVector(layout, seed: 9))
      #expect(try TernaryUpdate(payload: update.payload(), layout: layout) == update)
    }
  }

  @Test func moreNonZerosThanAgreedAreRefused() throws {
    let layout = layout(100)
    let update = try TernaryUpdate(largest: 6, of: randomVector(layout, seed: 2))
    let payload = update.payload()
    #expect(try TernaryUpdate(payload: payload, layout: layout, nonZeroLimit: 6) == update)
    #expect(throws: UpdateError.nonZeroCount(limit: 5, found: 6)) {
      try TernaryUpdate(payload: payload, layout: layout, nonZeroLimit: 5)
    }
  }

  @Test(arguments: [Float.nan, .infinity])
  func theValueThatIsNotFiniteIsNamed(value: Float) {
    var delta = randomVector(layout(10, 10), seed: 4)
    delta.values[13] = value
    #expect(throws: UpdateError.nonFiniteInput(tensor: "tensor1", index: 3)) {
      try TernaryUpdate(largest: 2, of: delta)
    }
  }

  @Test func aVectorInLargePagesHoldsTheUpdate() throws {
    // 33 MiB: the kept values lie at both ends and across the pages' borders.
    let count = 33 << 18
    let update = TernaryUpdate(
      layout: layout(count),
      tensors: [
        TernaryTensor(
          count: count, scale: 2,
          symbols: [0, 1 << 19, count - 1].map { UInt32($0) << 1 | 1 })
      ])
    let values = update.decoded().values
    #expect(values.count == count)
    #expect([0, 1 << 19, count - 1].map { values[$0] } == [2, 2, 2])
    let sum = values.withUnsafeBytes { bytes in
      bytes.withMemoryRebound(to: UInt32.self) { $0.count { $0 != 0 } }
    }
    #expect(sum == 3)
  }
}
