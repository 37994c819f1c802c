// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import FoundationEssentials
import Tensors
import Testing

@testable import Updates

@Suite struct UpdateCodecTests {
  static let codecs: [UpdateCodec] =
    [.dense] + [1e-6, 0.001, 0.01, 0.05, 0.3, 0.5, 0.99, 1].map { .ternary(density: $0) }

  @Test func goldenTernaryFile() throws {
    var values = [Float](repeating: 0.5, count: 40)
    for (position, symbol) in goldenSymbols.enumerated() {
      values[Int(symbol >> 1)] = Float(position + 1) * (symbol & 1 == 1 ? 1 : -1)
    }
    let delta = vector(values)
    let header = [UInt8](hex: "54524e55 01 01 0100") + delta.layout.digest.bytes
    let section = [UInt8](hex: "0000 01 02 28000000 05000000 00004040 04000000 4838fc0a")
    #expect(try UpdateCodec.ternary(density: 0.125).encode(delta).payload == header + section)
  }

  @Test func goldenDenseFile() throws {
    let delta = vector([1, -2.5])
    let header = [UInt8](hex: "54524e55 01 00 0100") + delta.layout.digest.bytes
    let section = [UInt8](
      hex: "0000 00 00 02000000 02000000 0000803f 08000000 0000803f 000020c0")
    #expect(try UpdateCodec.dense.encode(delta).payload == header + section)
    #expect(delta.digest == Digest(of: header + section))
  }

  @Test func theDigestOfAVectorIsThatOfItsSnapshot() throws {
    // With tensors of more than one piece, and of one value.
    let vector = randomVector(layout(40_000, 1, 7), seed: 8)
    let draft = PayloadDraft()
    try UpdateCodec.writeDense(vector, to: draft)
    #expect(draft.finished().digest == vector.digest)
    #expect(Digest(of: try UpdateCodec.dense.encode(vector).payload) == vector.digest)
  }

  @Test(arguments: codecs)
  func theReceiverSeesWhatTheSenderExpects(codec: UpdateCodec) throws {
    for layout in [layout(), layout(1), layout(64), layout(1000, 1, 7, 500)] {
      let delta = randomVector(layout, seed: 5)
      let encoded = try codec.encode(delta)
      let decoded = try codec.decode(encoded.payload, layout: layout)
      #expect(decoded == encoded.decoded)
      #expect(encoded.payload.count <= codec.maximumPayloadByteCount(for: layout))
    }
  }

  @Test func denseLosesNothing() throws {
    let delta = vector([0, -0.0, .leastNonzeroMagnitude, -.greatestFiniteMagnitude, 0.1])
    let decoded = try UpdateCodec.dense.decode(
      try UpdateCodec.dense.encode(delta).payload, layout: delta.layout)
    #expect(decoded.values.map(\.bitPattern) == delta.values.map(\.bitPattern))
  }

  @Test func everyKeptValueOfTernaryIsWithinItsTensorsScale() throws {
    let delta = randomVector(layout(400, 100), seed: 6)
    let decoded = try UpdateCodec.ternary(density: 0.1).encode(delta).decoded
    #expect(decoded.values.count { $0 != 0 } == 50)
    for (value, original) in zip(decoded.values, delta.values) where value != 0 {
      #expect(value.sign == original.sign)
    }
  }

  @Test(arguments: [0, -0.1, 1.0000001, .nan, .infinity])
  func aDensityOutOfRangeIsRefused(density: Double) {
    #expect {
      try UpdateCodec.ternary(density: density).encode(vector([1, 2]))
    } throws: { error in
      guard case .density? = error as? UpdateError else { return false }
      return true
    }
  }

  @Test func theKeptCountIsTheWholePartAndAtLeastOne() throws {
    #expect(try UpdateCodec.ternary(density: 0.05).keptCount(of: 1_244_160) == 62_208)
    #expect(try UpdateCodec.ternary(density: 0.05).keptCount(of: 39) == 1)
    #expect(try UpdateCodec.ternary(density: 0.05).keptCount(of: 1) == 1)
    #expect(try UpdateCodec.ternary(density: 1).keptCount(of: 17) == 17)
    #expect(try UpdateCodec.ternary(density: 0.05).keptCount(of: 0) == 0)
    #expect(try UpdateCodec.dense.keptCount(of: 17) == 17)
  }

  @Test func denserThanAgreedIsRefused() throws {
    let delta = randomVector(layout(1000), seed: 7)
    let payload = try UpdateCodec.ternary(density: 0.06).encode(delta).payload
    #expect(throws: UpdateError.nonZeroCount(limit: 50, found: 60)) {
      try UpdateCodec.ternary(density: 0.05).decode(payload, layout: delta.layout)
    }
  }

  @Test func anotherCodecIsRefused() throws {
    let delta = randomVector(layout(100), seed: 8)
    let ternary = UpdateCodec.ternary(density: 0.1)
    #expect(throws: UpdateError.codec(expected: "ternary", found: "dense")) {
      try ternary.decode(try UpdateCodec.dense.encode(delta).payload, layout: delta.layout)
    }
    #expect(throws: UpdateError.codec(expected: "dense", found: "ternary")) {
      try UpdateCodec.dense.decode(try ternary.encode(delta).payload, layout: delta.layout)
    }
  }

  @Test func whatIsNotFiniteIsNotSent() {
    for codec in [UpdateCodec.dense, .ternary(density: 0.5)] {
      #expect(throws: UpdateError.nonFiniteInput(tensor: "tensor0", index: 1)) {
        try codec.encode(vector([1, .nan, 2]))
      }
    }
  }

  @Test func moreTensorsThanTheFormatNumbersAreRefused() {
    let layout = ParameterLayout((0..<65_536).map { ("\($0)", [1]) })
    for codec in [UpdateCodec.dense, .ternary(density: 0.5)] {
      #expect(throws: UpdateError.tooManyTensors(count: 65_536, limit: 65_535)) {
        try codec.encode(ParameterVector(zerosOf: layout))
      }
    }
  }

  @Test(arguments: [0.001, 0.01, 0.05, 0.2, 0.5])
  func sizeIsNearTheEntropyOfTheSymbols(density: Double) throws {
    let layout = layout(100_000)
    let payload = try UpdateCodec.ternary(density: density).encode(
      randomVector(layout, seed: 10)
    ).payload
    let summary = try UpdateSummary(of: payload)
    #expect(Double(summary.contentByteCount * 8) <= 1.02 * summary.entropyBitCount + 8)
  }

  @Test(arguments: codecs)
  func codecsSurviveCoding(codec: UpdateCodec) throws {
    let data = try JSONEncoder().encode(codec)
    #expect(try JSONDecoder().decode(UpdateCodec.self, from: data) == codec)
  }
}
