// SPDX-License-Identifier: Apache-2.0
import Digests
import Randomness
import Tensors
import Testing

@testable import Updates

@Suite struct StochasticTernaryTests {
  private let codec = UpdateCodec.stochasticTernary(density: 0.1)

  /// What one offset makes of `values`.
  private func drawn(_ values: [Float], scale: Float, offset: Double) -> [Float] {
    var draw = StochasticTernary(scale: scale, offset: offset)
    let tensor = values.withUnsafeBufferPointer { draw.tensor(of: $0) }
    var decoded = [Float](repeating: 0, count: values.count)
    decoded.withUnsafeMutableBufferPointer { tensor.write(to: $0) }
    return decoded
  }

  @Test func theMeanOverAllOutcomesIsTheVectorItself() {
    // Probabilities are sixteenths, so sixteen offsets are all outcomes, equally likely.
    let sixteenths: [Float] = [3, -7, 0, 16, 1, -15, 40, 8, -0.0, 5, -16, 2]
    let scale: Float = 0.5
    let values = sixteenths.map { $0 / 16 * scale }
    var sums = [Float](repeating: 0, count: values.count)
    for outcome in 0..<16 {
      let decoded = drawn(values, scale: scale, offset: (Double(outcome) + 0.5) / 16)
      for index in sums.indices { sums[index] += decoded[index] }
    }
    #expect(sums.map { $0 / 16 } == values)
  }

  @Test func theMeanOverManySeedsComesNearTheVector() throws {
    let delta = randomVector(layout(60, 40), seed: 3)
    var mean = WeightedMean(layout: delta.layout)
    let count = 20_000
    for seed in 0..<count {
      mean.add(try codec.encode(delta, seed: Seed(UInt64(seed))).decoded, weight: 1)
    }
    let scale = try #require(
      try codec.ternaryUpdate(codec.encode(delta).payload, layout: delta.layout).tensors.first
    ).scale
    let found = try #require(mean.combined())
    for (value, expected) in zip(found.values, delta.values) {
      // Six standard deviations of a mean of Bernoulli draws.
      let deviation = (expected.magnitude * scale / Float(count)).squareRoot()
      #expect((value - expected).magnitude <= 6 * deviation + 1e-6)
    }
  }

  @Test func aTernaryUpdateWithoutMemoryIsGolden() throws {
    // One value too large to be drawn, and 15 of which each is kept with probability 1 / 15.
    let delta = vector([-8] + [Float](repeating: 0.25, count: 15))
    let encoded = try UpdateCodec.stochasticTernary(density: 0.125).encode(delta, seed: Seed(7))
    let header = [UInt8](hex: "54524e55 01 04 0100") + delta.layout.digest.bytes
    let section = [UInt8](hex: "0000 04 03 10000000 02000000 02007040 0d000000")
    // Element 0 as it is; then element 4, drawn by the offset 0.750... of this seed.
    let contents = [UInt8](hex: "01000000 00000000 000000c1 18")
    #expect(encoded.payload == header + section + contents)
    #expect(encoded.decoded.values[0] == -8)
    #expect(encoded.decoded.values.dropFirst().filter { $0 != 0 } == [Float(3.75).nextUp.nextUp])
  }

  @Test func theSameSeedGivesTheSameBytesAndAnotherDoesNot() throws {
    let delta = randomVector(layout(500), seed: 1)
    let payloads = try (0..<4).map { try codec.encode(delta, seed: Seed(UInt64($0 / 2))).payload }
    #expect(payloads[0] == payloads[1] && payloads[2] == payloads[3])
    #expect(payloads[0] != payloads[2])
  }

  @Test(arguments: [1e-3, 0.05, 0.3, 0.99, 1])
  func theReceiverSeesWhatTheSenderExpects(density: Double) throws {
    let codec = UpdateCodec.stochasticTernary(density: density)
    for layout in [layout(), layout(1), layout(64), layout(1000, 1, 7, 500)] {
      for power in [1, 9] {
        // The ninth power has a few values far above the others.
        var delta = randomVector(layout, seed: 5)
        for index in delta.values.indices {
          delta.values[index] = (0..<power).reduce(1) { product, _ in
            product * delta.values[index]
          }
        }
        let encoded = try codec.encode(delta)
        #expect(try codec.decode(encoded.payload, layout: layout) == encoded.decoded)
        #expect(encoded.payload.count <= codec.maximumPayloadByteCount(for: layout))
        let kept = try codec.keptCount(of: layout.count)
        let found = encoded.decoded.values.count { $0 != 0 }
        #expect(found <= kept)
        #expect(found >= min(kept, delta.values.count { $0 != 0 }) * 9 / 10 - 1)
        var sums = WeightedMean(layout: layout)
        var others = WeightedMean(layout: layout)
        sums.add(encoded.decoded, weight: 3)
        try others.add(payload: encoded.payload, codec: codec, weight: 3)
        #expect(sums.combined() == others.combined())
        #expect(try UpdateSummary(of: encoded.payload).codec == "stochastic ternary")
      }
    }
  }

  @Test func fewValuesTravelAsTheyAre() throws {
    var delta = ParameterVector(zerosOf: layout(100))
    for index in [3, 50, 99] { delta.values[index] = Float(index) - 49.5 }
    #expect(try codec.encode(delta).decoded == delta)
    let nothing = ParameterVector(zerosOf: layout(100))
    #expect(try codec.encode(nothing).decoded == nothing)
  }

  @Test func valuesBeyondAnyScaleAreRefused() throws {
    let delta = vector([Float](repeating: .greatestFiniteMagnitude, count: 100))
    #expect(throws: UpdateError.self) { try codec.encode(delta) }
    #expect(throws: UpdateError.nonFiniteInput(tensor: "tensor0", index: 1)) {
      try codec.encode(vector([1, .infinity]))
    }
  }

  @Test func aResidualIsSentAndThenForgotten() throws {
    var feedback = ErrorFeedback(residual: vector([1, 0, 0, 0]))
    let sent = try feedback.compress(
      vector([0, 0, 2, 0]), with: .stochasticTernary(density: 0.5), seed: Seed(1))
    #expect(sent.decoded.values == [1, 0, 2, 0])
    #expect(feedback.residual.values == [0, 0, 0, 0])
  }

  /// A payload whose first section has two exact values, of elements 0 and 1, and nothing else.
  private func payload() throws -> [UInt8] {
    try UpdateCodec.stochasticTernary(density: 0.5).encode(vector([2, -3, 0, 0])).payload
  }

  @Test(arguments: [
    (0, "03000000"), (0, "ffffffff"), (0, "01000000"), (4, "01000000"), (4, "02000000"),
    (4, "ffffffff"), (8, "00000000"), (8, "0000807f"), (8, "0000c07f"), (8, "0000003f"),
  ])
  func contradictoryExactValuesAreRefused(place: Int, hex: String) throws {
    let sound = try payload()
    let start = Field.contents + place
    let damaged = sound.replacing(start, with: [UInt8](hex: hex))
    try #require(damaged != sound)
    for codec in [UpdateCodec.stochasticTernary(density: 0.5), .ternary(density: 0.5), .dense] {
      #expect(throws: UpdateError.self) { try codec.decode(damaged, layout: layout(4)) }
    }
  }

  @Test func anElementSaidTwiceIsRefused() throws {
    let update = TernaryUpdate(
      layout: layout(4), kind: .stochasticTernary,
      tensors: [
        TernaryTensor(
          count: 4, scale: 1, symbols: [1 << 1],
          exact: [TernaryTensor.ExactValue(index: 1, value: 2)])
      ])
    #expect(throws: UpdateError.exactValues(tensor: 0)) {
      try UpdateCodec.stochasticTernary(density: 1).decode(update.payload(), layout: layout(4))
    }
  }

  @Test func everyTruncationAndEveryFlippedBitIsReadOrRefused() throws {
    let delta = vector((0..<40).map { $0 == 7 ? 100 : Float($0 % 5) - 2 })
    let sound = try codec.encode(delta).payload
    for count in 0..<sound.count {
      #expect(throws: UpdateError.self) {
        try codec.decode(Array(sound.prefix(count)), layout: delta.layout)
      }
    }
    for bit in 0..<(sound.count * 8) {
      var damaged = sound
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      let decoded = try? codec.decode(damaged, layout: delta.layout)
      #expect(decoded?.values.allSatisfy(\.isFinite) ?? true)
    }
  }
}
