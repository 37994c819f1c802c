// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Updates

struct DirectionStepTests {
  private let step = DirectionStep(
    step: 300,
    terms: [
      DirectionTerm(query: 0, coefficient: 1), DirectionTerm(query: 1, coefficient: -0.5),
      DirectionTerm(query: 200, coefficient: 0), DirectionTerm(query: .max, coefficient: -0.0),
    ], rate: 0.25)

  private func decoded(_ bytes: [UInt8]) throws(UpdateError) -> DirectionStep {
    var reader = ByteReader(bytes[...])
    let step = try DirectionStep(&reader)
    guard reader.remaining == 0 else { throw .trailingBytes(reader.remaining) }
    return step
  }

  @Test func bytesAreThoseOfTheFormat() {
    #expect(
      step.bytes == [
        0xAC, 0x02, 1, 4, 0, 0, 0, 0x80, 0x3F, 0, 0, 0, 0, 0xBF, 0xC6, 0x01, 0, 0, 0, 0,
        0xB6, 0xFE, 0xFF, 0xFF, 0x0F, 0, 0, 0, 0x80, 0, 0, 0x80, 0x3E,
      ])
    #expect(DirectionStep(step: 0, terms: []).bytes == [0, 0, 0])
  }

  @Test func whatIsWrittenIsReadBack() throws {
    for step in [
      step, DirectionStep(step: 0, terms: []), DirectionStep(step: .max, terms: [], rate: 1),
      DirectionStep(
        step: 7, terms: (0..<1000).map { DirectionTerm(query: $0 * 3, coefficient: Float($0)) }),
    ] {
      let read = try decoded(step.bytes)
      #expect(read == step)
      #expect(read.terms.map(\.coefficient.bitPattern) == step.terms.map(\.coefficient.bitPattern))
    }
  }

  @Test func sixteenQueriesAreFiveBytesEach() {
    let terms = (0..<16).map { DirectionTerm(query: $0, coefficient: 1) }
    #expect(DirectionStep(step: 20_000, terms: terms).bytes.count == 5 + 16 * 5)
  }

  @Test func everyTruncationIsRefused() {
    for count in step.bytes.indices {
      #expect(throws: UpdateError.self) { try decoded(Array(step.bytes.prefix(count))) }
    }
  }

  @Test(
    arguments: [
      [0x80, 0x80, 0x80, 0x80, 0x10, 0, 0],  // step 2^32
      [0x80, 0, 0, 0],  // a number with a byte too many
      [0, 2, 0],  // an unknown flag
      [0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],  // 2^64 - 1 terms
      [0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],  // more than 64 bits
      [0, 0, 1, 0, 0, 0, 0x80, 0x7F],  // infinity
      [0, 0, 1, 0, 0, 0, 0xC0, 0x7F],  // not a number
      [0, 1, 0, 0, 0, 0x80, 0xFF],  // an infinite rate
      [0, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 0],  // query 2^32
      [0, 0, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // one after the last
    ] as [[UInt8]])
  func whatNoEncoderWritesIsRefused(_ bytes: [UInt8]) {
    #expect(throws: UpdateError.self) { try decoded(bytes) }
  }
}
