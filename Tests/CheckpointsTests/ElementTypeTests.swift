// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Checkpoints

@Suite struct ElementTypeTests {
  private func expand(_ type: ElementType, _ bytes: [UInt8]) -> [Float] {
    var values = [Float](
      repeating: .nan, count: bytes.count / type.blockByteCount * type.blockLength)
    bytes.withUnsafeBytes { source in
      values.withUnsafeMutableBufferPointer { type.expand(source, into: $0) }
    }
    return values
  }

  private func half(_ value: Float16) -> [UInt8] { bytes(value.bitPattern) }

  /// Values of ggml's own C code for the same pseudo-random bytes.
  private func check(
    _ values: [Float], begin: [Float], others: [Int: Float], sum: Double, squares: Double
  ) {
    #expect(Array(values.prefix(begin.count)) == begin)
    for (index, value) in others { #expect(values[index] == value, "at \(index)") }
    #expect(abs(values.reduce(0.0) { $0 + Double($1) } - sum) < 1e-9)
    #expect(abs(values.reduce(0.0) { $0 + Double($1) * Double($1) } - squares) < 1e-6)
  }

  @Test func q4_0IsAsInGGML() {
    check(
      expand(.q4_0, half(0.5) + pseudoRandomBytes(16, salt: 1)), begin: [-1.5, 1.5, 1, 2],
      others: [16: -4, 31: 3], sum: 10, squares: 186.5)
  }

  @Test func q4_1IsAsInGGML() {
    check(
      expand(.q4_1, half(0.25) + half(-1.5) + pseudoRandomBytes(16, salt: 2)),
      begin: [-0.25, -1, 0.75, -0.25], others: [16: -1.5, 31: 0], sum: 14.75, squares: 51.4375)
  }

  @Test func q8_0IsAsInGGML() {
    check(
      expand(.q8_0, half(0.125) + pseudoRandomBytes(32, salt: 3)),
      begin: [0.625, 9.125, -13, -8.25], others: [16: -4.625, 31: 15], sum: 22.75,
      squares: 2879.84375)
  }

  @Test func q4_KIsAsInGGML() {
    check(
      expand(.q4_K, half(0.0625) + half(0.03125) + pseudoRandomBytes(140, salt: 4)),
      begin: [4.09375, -0.28125, 3.15625, 0.34375], others: [16: 0.65625, 255: 10.84375],
      sum: 1976.125, squares: 44946.1484375)
  }

  @Test func q6_KIsAsInGGML() {
    check(
      expand(.q6_K, pseudoRandomBytes(208, salt: 5) + half(0.0078125)),
      begin: [9.625, 21, -20.125, -14.875],
      others: [16: 10.6015625, 31: -11.0625, 255: -0.9765625], sum: 383.28125,
      squares: 20524.0091552734)
  }

  @Test(arguments: [ElementType.q4_0, .q4_1, .q8_0, .q4_K, .q6_K])
  func blocksAreIndependentAndMayLieAnywhere(type: ElementType) {
    let block = type.blockByteCount
    let all = pseudoRandomBytes(5 * block, salt: 77)
    let together = expand(type, all)
    for index in 0..<5 {
      let alone = expand(type, Array(all[(index * block)..<((index + 1) * block)]))
      let part = together[(index * type.blockLength)..<((index + 1) * type.blockLength)]
      #expect(alone.map(\.bitPattern) == part.map(\.bitPattern))
    }
  }

  @Test(arguments: [ElementType.q4_0, .q4_1, .q8_0, .q4_K, .q6_K])
  func everyBlockEqualsItsDefinition(type: ElementType) {
    let size = type.blockByteCount
    for salt in 0..<40 {
      let block = pseudoRandomBytes(size, salt: UInt32(1000 + salt))
      let oracle = BlockOracle(block: block)
      for (index, value) in expand(type, block).enumerated() {
        let expected = oracle.value(index, of: type)
        guard value.bitPattern != expected.bitPattern, !(value.isNaN && expected.isNaN) else {
          continue
        }
        Issue.record("value \(index) of block \(salt) is \(value), expected \(expected)")
        return
      }
    }
  }

  @Test func float32IsCopied() {
    let values: [Float] = [0, -0.0, 1, .leastNonzeroMagnitude, .infinity]
    #expect(expand(.float32, bytes(values)).map(\.bitPattern) == values.map(\.bitPattern))
    #expect(expand(.float32, []) == [])
  }

  @Test(
    arguments: [
      (0, .float32), (1, .float16), (2, .q4_0), (3, .q4_1), (8, .q8_0), (12, .q4_K),
      (14, .q6_K), (24, .int8), (25, .int16), (26, .int32), (27, .int64), (28, .float64),
      (30, .bfloat16),
    ] as [(UInt32, ElementType)])
  func ggmlsNumbersAreKnown(number: UInt32, type: ElementType) {
    #expect(ElementType(ggmlNumber: number) == type)
  }

  @Test func onlyFloatsAreReadAsFloats() {
    let read: [ElementType] = [.float32, .float16, .bfloat16, .q4_0, .q4_1, .q8_0, .q4_K, .q6_K]
    let listed: [ElementType] = [
      .float64, .int64, .int32, .int16, .int8, .unsigned64, .unsigned32, .unsigned16, .unsigned8,
      .boolean, .complex64, .float8e4m3, .float8e5m2, .float8e8m0,
    ]
    #expect(read.allSatisfy { $0.isReadAsFloats })
    #expect(!listed.contains { $0.isReadAsFloats })
    #expect(listed.map(\.blockByteCount) == [8, 8, 4, 2, 1, 8, 4, 2, 1, 1, 8, 1, 1, 1])
    #expect(listed.allSatisfy { $0.blockLength == 1 })
  }

  @Test func everyHalfIsConverted() {
    let patterns = (0...UInt16.max).map { $0 }
    let values = expand(.float16, patterns.flatMap { bytes($0) })
    for (pattern, value) in zip(patterns, values) {
      let expected = Float(Float16(bitPattern: pattern))
      guard expected.isNaN ? !value.isNaN : value.bitPattern != expected.bitPattern else {
        continue
      }
      Issue.record("half \(pattern) gave \(value), expected \(expected)")
      return
    }
  }

  @Test func bfloat16IsTheUpperHalf() {
    let patterns = stride(from: 0, through: 0xFFFF, by: 7).map { UInt16($0) }
    let values = expand(.bfloat16, patterns.flatMap { bytes($0) })
    #expect(values.map(\.bitPattern) == patterns.map { UInt32($0) << 16 })
  }

  @Test(arguments: [0, 1, 4095, 4096, 4097, 9999])
  func theFirstValueThatIsNotFiniteIsFound(index: Int) {
    var values = [Float](repeating: -.greatestFiniteMagnitude, count: 10000)
    #expect(values.withUnsafeMutableBufferPointer { firstNotFinite($0) } == nil)
    values[9999] = .infinity
    values[index] = .nan
    #expect(values.withUnsafeMutableBufferPointer { firstNotFinite($0) } == index)
  }

  @Test func namesOfUnknownTypesAreNamed() {
    #expect(ElementType(ggmlNumber: 13) == nil)
    #expect(ElementType.ggmlName(13) == "Q5_K")
    #expect(ElementType.ggmlName(99) == "number 99")
  }
}
