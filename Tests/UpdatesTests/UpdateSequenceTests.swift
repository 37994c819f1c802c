// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

@testable import Updates

@Suite struct UpdateSequenceTests {
  private let updates: [[UInt8]] = [[1, 2, 3], [], [4]]

  @Test func aSequenceIsGoldenAndComesBack() throws {
    let payload = UpdateSequence.payload(of: updates)
    #expect(
      payload
        == [UInt8](hex: "54524e53 01 00 0300 03000000 010203 00000000 01000000 04"))
    #expect(payload.count == UpdateSequence.byteCount(of: updates.map(\.count)))
    #expect(try UpdateSequence.updates(in: payload, count: 3) == updates)
  }

  @Test func aSequenceOfAnotherNumberOfUpdatesIsRefused() {
    let payload = UpdateSequence.payload(of: updates)
    for count in [0, 1, 2, 4, 65_536] {
      #expect(throws: UpdateError.updateCount(expected: count, found: 3)) {
        try UpdateSequence.updates(in: payload, count: count)
      }
    }
  }

  @Test func everyTruncationIsRefusedAndNothingMayFollow() {
    let payload = UpdateSequence.payload(of: updates)
    for count in payload.indices {
      #expect(throws: UpdateError.self) {
        try UpdateSequence.updates(in: Array(payload.prefix(count)), count: 3)
      }
    }
    #expect(throws: UpdateError.trailingBytes(2)) {
      try UpdateSequence.updates(in: payload + [0, 0], count: 3)
    }
  }

  @Test(arguments: [(0, UInt8(0x55)), (4, 2), (5, 1), (8, 4), (11, 0xFF), (15, 1)])
  func aChangedFieldIsRefused(place: Int, value: UInt8) {
    let payload = UpdateSequence.payload(of: updates).replacing(place, with: [value])
    #expect(throws: UpdateError.self) { try UpdateSequence.updates(in: payload, count: 3) }
  }

  @Test func whatIsTooLongToBeTakenApartIsRefused() {
    let payload = [UInt8](repeating: 0, count: UpdateSequence.byteLimit + 1)
    #expect(
      throws: UpdateError.sequenceLength(limit: UpdateSequence.byteLimit, found: payload.count)
    ) { try UpdateSequence.updates(in: payload, count: 1) }
  }

  @Test func aSequenceIsNoUpdateAndAnUpdateNoSequence() throws {
    let codec = UpdateCodec.ternary(density: 0.5)
    let update = try codec.encode(vector([1, 2])).payload
    #expect(throws: UpdateError.magic) { try UpdateSequence.updates(in: update, count: 1) }
    let sequence = UpdateSequence.payload(of: [update, update])
    for codec in [codec, .dense, .stochasticTernary(density: 0.5)] {
      #expect(throws: UpdateError.magic) {
        try codec.decode(sequence, layout: vector([1, 2]).layout)
      }
    }
  }
}
