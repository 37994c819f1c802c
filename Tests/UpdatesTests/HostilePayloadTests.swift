// SPDX-License-Identifier: Apache-2.0
import Digests
import Randomness
import Tensors
import Testing

@testable import Updates

/// Payloads that no encoder makes: every one is refused, or decodes to something harmless.
@Suite struct HostilePayloadTests {
  static let codecs: [UpdateCodec] = [
    .dense, .ternary(density: 0.2), .stochasticTernary(density: 0.2),
  ]
  let layout = ParameterLayout([("a", [5, 8]), ("b", [3]), ("c", [2, 11])])

  @Test(arguments: codecs)
  func everyTruncationIsRefused(codec: UpdateCodec) throws {
    let payload = try codec.encode(randomVector(layout, seed: 1)).payload
    for count in 0..<payload.count {
      #expect(throws: UpdateError.self) {
        try codec.decode(Array(payload[..<count]), layout: layout)
      }
      #expect(throws: UpdateError.self) { try UpdateSummary(of: Array(payload[..<count])) }
    }
  }

  @Test(arguments: codecs)
  func everyFlippedBitIsRefusedOrHarmless(codec: UpdateCodec) throws {
    let payload = try codec.encode(randomVector(layout, seed: 2)).payload
    for bit in 0..<(payload.count * 8) {
      var damaged = payload
      damaged[bit / 8] ^= 1 << (bit % 8)
      if bit < UpdateContainer.headerByteCount * 8 {
        #expect(throws: UpdateError.self) { try codec.decode(damaged, layout: layout) }
      } else if let decoded = try? codec.decode(damaged, layout: layout) {
        #expect(decoded.layout == layout)
        #expect(decoded.isFinite)
      }
    }
  }

  @Test(arguments: codecs)
  func randomBytesAreRefused(codec: UpdateCodec) {
    var stream = RandomStream(Seed(3))
    for _ in 0..<500 {
      let bytes = randomBytes(stream.integer(below: 200), &stream)
      #expect(throws: UpdateError.self) { try codec.decode(bytes, layout: layout) }
      #expect(throws: UpdateError.self) { try UpdateSummary(of: bytes) }
    }
  }

  @Test(arguments: codecs)
  func randomBytesBehindAGoodHeaderAreRefusedOrHarmless(codec: UpdateCodec) throws {
    let payload = try codec.encode(randomVector(layout, seed: 4)).payload
    var stream = RandomStream(Seed(5))
    for _ in 0..<2000 {
      let kept = UpdateContainer.headerByteCount + stream.integer(below: 60)
      var bytes = Array(payload[..<min(kept, payload.count)])
      bytes += randomBytes(payload.count - bytes.count, &stream)
      if let decoded = try? codec.decode(bytes, layout: layout) {
        #expect(decoded.layout == layout)
        #expect(decoded.isFinite)
      }
    }
  }

  @Test func everyFieldOfTheHeaderIsChecked() throws {
    let payload = try ternary.encode(delta).payload
    expect(.magic, of: payload.replacing(0, with: [0]))
    expect(.version(2), of: payload.replacing(Field.version, with: [2]))
    expect(.unknownCodec(7), of: payload.replacing(Field.codec, with: [7]))
    expect(.tensorOrder(expected: 1, found: 7), of: try twoTensors(second: 7))
    expect(.trailingBytes(1), of: payload + [0])
    expect(.trailingBytes(24), of: payload.replacing(Field.tensorCount, with: [0]))
    var digest = delta.layout.digest.bytes
    digest[31] ^= 1
    expect(
      .layout(expected: delta.layout.digest, found: try #require(.init(bytes: digest))),
      of: payload.replacing(Field.digest, with: digest))
  }

  @Test func anotherLayoutIsRefused() throws {
    let payload = try ternary.encode(delta).payload
    let renamed = ParameterLayout([("other", [40])])
    #expect(
      throws: UpdateError.layout(expected: renamed.digest, found: delta.layout.digest)
    ) { try ternary.decode(payload, layout: renamed) }
    let longer = ParameterLayout([("tensor0", [40]), ("tensor1", [40])])
    #expect(throws: UpdateError.tensorCount(expected: 2, found: 1)) {
      try ternary.decode(payload, layout: longer)
    }
  }

  @Test func everyFieldOfATernarySectionIsChecked() throws {
    let payload = try ternary.encode(delta).payload
    expect(.tensorOrder(expected: 0, found: 1), of: payload.replacing(Field.tensor, with: [1]))
    for (coding, name) in [
      (0, "0 (raw) in a ternary update"), (2, "2 (bitmap), which this version does not read"),
      (3, "3 (rANS), which this version does not read"), (5, "5, which is unknown"),
    ] {
      expect(
        .coding(tensor: 0, name: name),
        of: payload.replacing(Field.coding, with: [UInt8(coding)]))
    }
    expect(
      .riceParameter(tensor: 0, found: 31), of: payload.replacing(Field.riceParameter, with: [31]))
    expect(
      .elementCount(tensor: 0, expected: 40, found: 41),
      of: payload.replacing(Field.elementCount, with: [41]))
    expect(
      .nonZeroCount(limit: 40, found: 41), of: payload.replacing(Field.nonZeroCount, with: [41]))
    // Four bytes hold no more than eight symbols of four bits.
    expect(.nonZeroCount(limit: 8, found: 9), of: payload.replacing(Field.nonZeroCount, with: [9]))
    expect(
      .sectionLength(tensor: 0, expected: 3, found: 4),
      of: payload.replacing(Field.nonZeroCount, with: [4]))
    expect(
      .truncated(needed: 65, available: 64), of: payload.replacing(Field.byteCount, with: [5]))
    expect(.trailingBytes(1), of: payload.replacing(Field.byteCount, with: [3]))
    expect(.padding(tensor: 0), of: payload.replacing(63, with: [0x8A]))
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, -1, -0.0])
  func aScaleThatIsNoMagnitudeIsRefused(scale: Float) throws {
    let payload = try ternary.encode(delta).payload
    expect(
      .scale(tensor: 0), of: payload.replacing(Field.scale, with: bytes(scale.bitPattern)))
  }

  @Test func announcedGiantsAreRefusedBeforeMemoryIsTaken() throws {
    let payload = try ternary.encode(delta).payload
    let giant = bytes(.max)
    expect(
      .nonZeroCount(limit: UpdateContainer.elementLimit, found: Int(UInt32.max)),
      of: payload.replacing(Field.elementCount, with: giant + giant))
    expect(
      .truncated(needed: 60 + Int(UInt32.max), available: 64),
      of: payload.replacing(Field.byteCount, with: giant))
    expect(
      .truncated(needed: 40 + 65_535 * 20, available: 64),
      of: payload.replacing(Field.tensorCount, with: [255, 255]))
  }

  @Test func aNonZeroBeyondTheTensorIsRefused() throws {
    var shorter = delta
    shorter = ParameterVector(layout: delta.layout, values: delta.values.reversed())
    let payload = try ternary.encode(shorter).payload
    // The last gap, one longer: the non-zero at 39 would be at 40 or later.
    var refused = 0
    for bit in (Field.contents * 8)..<(payload.count * 8) {
      var damaged = payload
      damaged[bit / 8] ^= 1 << (bit % 8)
      do {
        _ = try ternary.decode(damaged, layout: delta.layout)
      } catch UpdateError.indexBeyondTensor(tensor: 0, count: 40) {
        refused += 1
      } catch {}
    }
    #expect(refused > 0)
  }

  @Test func everyFieldOfADenseSectionIsChecked() throws {
    let payload = try UpdateCodec.dense.encode(delta).payload
    func expect(_ error: UpdateError, _ start: Int, _ bytes: [UInt8]) {
      #expect(throws: error) {
        try UpdateCodec.dense.decode(payload.replacing(start, with: bytes), layout: delta.layout)
      }
    }
    expect(.coding(tensor: 0, name: "1 (Rice) in a dense update"), Field.coding, [1])
    expect(.riceParameter(tensor: 0, found: 1), Field.riceParameter, [1])
    expect(.nonZeroCount(limit: 40, found: 39), Field.nonZeroCount, [39])
    expect(.scale(tensor: 0), Field.scale, bytes(Float(2).bitPattern))
    expect(
      .sectionLength(tensor: 0, expected: 156, found: 160), Field.elementCount,
      [39, 0, 0, 0, 39])
    for value in [Float.nan, .infinity, -.infinity] {
      expect(
        .nonFinite(tensor: 0, index: 3), Field.contents + 12, bytes(value.bitPattern))
    }
  }

  private let ternary = UpdateCodec.ternary(density: 0.125)

  /// Encodes to the golden vector with scale 1.
  private let delta: ParameterVector = {
    var values = [Float](repeating: 0, count: 40)
    for symbol in goldenSymbols { values[Int(symbol >> 1)] = symbol & 1 == 1 ? 1 : -1 }
    return vector(values)
  }()

  private func expect(_ error: UpdateError, of payload: [UInt8]) {
    #expect(throws: error) { try ternary.decode(payload, layout: delta.layout) }
  }

  private func randomBytes(_ count: Int, _ stream: inout RandomStream) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: stream.next()) }
  }

  /// A payload of two empty tensors of which the second has the number `second`.
  private func twoTensors(second: UInt8) throws -> [UInt8] {
    let zeros = ParameterVector(zerosOf: ParameterLayout([("a", [1]), ("b", [1])]))
    return try TernaryUpdate(largest: 0, of: zeros).payload().replacing(60, with: [second])
  }
}
