// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

@testable import Updates

@Suite struct UpdateSummaryTests {
  private let delta = ParameterVector(
    layout: ParameterLayout([("first", [2, 4]), ("second", [2])]),
    values: [1, 0, 0, -2, 0, 0, 0, 0, 3, 0])

  @Test func aTernaryFileIsTold() throws {
    let payload = try UpdateCodec.ternary(density: 0.3).encode(delta).payload
    let summary = try UpdateSummary(of: payload, layout: delta.layout)
    #expect(summary.codec == "ternary")
    #expect(summary.parameterCount == 10)
    #expect(summary.nonZeroCount == 3)
    #expect(summary.byteCount == payload.count)
    #expect(summary.tensors.map(\.name) == ["first", "second"])
    #expect(summary.tensors.map(\.scale) == [1.5, 3])
    #expect(summary.tensors.map(\.nonZeroCount) == [2, 1])
    #expect(summary.contentByteCount == payload.count - 40 - 2 * 20)
    #expect(abs(summary.bitsPerParameter - Double(payload.count * 8) / 10) < 1e-12)
    // 8 H2(1/4) + 2 signs, and 2 H2(1/2) + 1 sign.
    #expect(abs(summary.entropyBitCount - (8 * 0.8112781244591328 + 2 + 2 + 1)) < 1e-9)
  }

  @Test func withoutALayoutThereAreNoNames() throws {
    let payload = try UpdateCodec.ternary(density: 0.3).encode(delta).payload
    #expect(try UpdateSummary(of: payload).tensors.map(\.name) == [nil, nil])
  }

  @Test func aDenseFileIsTold() throws {
    let payload = try UpdateCodec.dense.encode(delta).payload
    let summary = try UpdateSummary(of: payload)
    #expect(summary.codec == "dense")
    #expect(summary.nonZeroCount == 10)
    #expect(summary.entropyBitCount == 320)
    #expect(summary.sizeOverEntropy == Double(payload.count * 8) / 320)
  }

  @Test func nothingHasNoEntropy() throws {
    let empty = ParameterVector(zerosOf: ParameterLayout([]))
    let summary = try UpdateSummary(of: try UpdateCodec.ternary(density: 1).encode(empty).payload)
    #expect(summary.sizeOverEntropy == nil)
    #expect(summary.bitsPerParameter == 0)
    #expect(summary.byteCount == 40)
  }

  @Test func damagedSymbolsAreNotSummarised() throws {
    var payload = try UpdateCodec.ternary(density: 0.3).encode(delta).payload
    payload[payload.count - 1] |= 0x80
    #expect(throws: UpdateError.padding(tensor: 1)) { try UpdateSummary(of: payload) }
  }

  @Test func anotherLayoutIsRefused() throws {
    let payload = try UpdateCodec.ternary(density: 0.3).encode(delta).payload
    #expect(throws: UpdateError.tensorCount(expected: 1, found: 2)) {
      try UpdateSummary(of: payload, layout: layout(10))
    }
  }
}
