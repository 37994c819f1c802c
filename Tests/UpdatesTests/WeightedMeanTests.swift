// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

@testable import Updates

@Suite struct WeightedMeanTests {
  @Test func weightsCount() {
    var mean = WeightedMean(layout: layout(2))
    mean.add(vector([1, 10]), weight: 1)
    mean.add(vector([5, -2]), weight: 3)
    #expect(mean.totalWeight == 4)
    #expect(mean.combined()?.values == [4, 1])
  }

  @Test func theMeanOfNothingIsNothing() {
    #expect(WeightedMean(layout: layout(2)).combined() == nil)
  }

  @Test func theMeanOfOneIsThatOne() {
    let delta = randomVector(layout(100), seed: 1)
    var mean = WeightedMean(layout: delta.layout)
    mean.add(delta, weight: 37)
    #expect(mean.combined()?.digest == delta.digest)
  }

  @Test func oneRoundingAtTheEnd() {
    // 2^24 + 1 has no place in single precision, the mean of three such sums does.
    var mean = WeightedMean(layout: layout(1))
    for value in [Float(0x1p24), 1, 1] { mean.add(vector([value]), weight: 1) }
    #expect(mean.combined()?.values == [Float((0x1p24 + 2) / 3)])
  }

  @Test func theSameOrderGivesTheSameBits() throws {
    let layout = layout(300, 30)
    func combined() throws -> ParameterVector? {
      var mean = WeightedMean(layout: layout)
      for worker in 0..<7 {
        let delta = randomVector(layout, seed: UInt64(worker))
        let codec: UpdateCodec = worker % 2 == 0 ? .dense : .ternary(density: 0.1)
        let payload = try codec.encode(delta).payload
        try mean.add(payload: payload, codec: codec, weight: Double(worker + 1) / 3)
      }
      return mean.combined()
    }
    let first = try combined()
    let second = try combined()
    #expect(first != nil)
    #expect(first?.digest == second?.digest)
  }

  @Test(arguments: [UpdateCodec.dense, .ternary(density: 0.1)])
  func payloadsAddWhatTheyDecodeTo(codec: UpdateCodec) throws {
    let encoded = try codec.encode(randomVector(layout(200), seed: 3))
    var fromPayload = WeightedMean(layout: layout(200))
    var fromVector = fromPayload
    try fromPayload.add(payload: encoded.payload, codec: codec, weight: 5)
    fromVector.add(encoded.decoded, weight: 5)
    #expect(fromPayload.combined()?.digest == fromVector.combined()?.digest)
  }

  @Test func aRefusedPayloadChangesNothing() throws {
    var mean = WeightedMean(layout: layout(50))
    mean.add(randomVector(layout(50), seed: 4), weight: 2)
    let before = mean.combined()
    for codec in [UpdateCodec.dense, .ternary(density: 0.1)] {
      var payload = try codec.encode(randomVector(layout(50), seed: 5)).payload
      payload.removeLast()
      #expect(throws: UpdateError.self) {
        try mean.add(payload: payload, codec: codec, weight: 1)
      }
    }
    #expect(mean.totalWeight == 2)
    #expect(mean.combined() == before)
  }

  @Test func theLargestValuesHaveAFiniteMean() {
    var mean = WeightedMean(layout: layout(1))
    for weight in [1.0, 1e9, 3] {
      mean.add(vector([.greatestFiniteMagnitude]), weight: weight)
    }
    #expect(mean.combined()?.values == [.greatestFiniteMagnitude])
  }
}
