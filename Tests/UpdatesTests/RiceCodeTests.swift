// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Updates

@Suite struct RiceCodeTests {
  @Test(arguments: [
    (0, "8efffcffff17", 45), (2, "4838fc0a", 28), (3, "90c0e012", 29), (4, "20014265", 31),
  ])
  func goldenBytes(parameter: Int, hex: String, bitCount: Int) throws {
    #expect(coded(goldenSymbols, parameter: parameter) == [UInt8](hex: hex))
    #expect(RiceCode.bitCount(of: goldenSymbols, parameter: parameter) == bitCount)
    let symbols = try RiceCode.symbols(
      in: [UInt8](hex: hex)[...], parameter: parameter, elementCount: 40, nonZeroCount: 5)
    #expect(symbols == goldenSymbols)
  }

  @Test func bestParameterOfTheGoldenVectorIsTwo() {
    let best = RiceCode.best(for: goldenSymbols, elementCount: 40)
    #expect(best == (2, 28))
  }

  @Test(arguments: 0...RiceCode.parameterLimit)
  func everyParameterRoundTripsAsThePlainEncoderWrites(parameter: Int) throws {
    for (seed, density) in [0.003, 0.05, 0.3, 1].enumerated() {
      let symbols = randomSymbols(1000, density: density, seed: UInt64(seed))
      let bytes = coded(symbols, parameter: parameter)
      #expect(bytes == plainlyCoded(symbols, parameter: parameter))
      let decoded = try RiceCode.symbols(
        in: bytes[...], parameter: parameter, elementCount: 1000, nonZeroCount: symbols.count)
      #expect(decoded == symbols)
    }
  }

  @Test(arguments: [0.0005, 0.01, 0.05, 0.1, 0.2, 0.5, 0.9, 1])
  func bestParameterIsTheBestOfAll(density: Double) {
    for seed in 0..<5 {
      let symbols = randomSymbols(4000, density: density, seed: UInt64(seed))
      let best = RiceCode.best(for: symbols, elementCount: 4000)
      let all = (0...RiceCode.parameterLimit).map {
        RiceCode.bitCount(of: symbols, parameter: $0)
      }
      #expect(best.bitCount == (symbols.isEmpty ? 0 : all.min()))
    }
  }

  @Test func bestParameterIsFoundFarFromTheMeanGap() {
    // All non-zeros together at the end: the mean gap says nothing about most gaps.
    let symbols = (9000..<10_000).map { UInt32($0) << 1 }
    let best = RiceCode.best(for: symbols, elementCount: 10_000)
    let all = (0...RiceCode.parameterLimit).map { RiceCode.bitCount(of: symbols, parameter: $0) }
    #expect(best.bitCount == all.min())
    #expect(best.bitCount <= RiceCode.maximumBitCount(elementCount: 10_000, nonZeroCount: 1000))
  }

  @Test(arguments: [0, 1, 7, 20, 29])
  func aRunAcrossManyWordsRoundTrips(parameter: Int) throws {
    let elementCount = 1 << 20
    let symbols = [UInt32(elementCount - 1) << 1 | 1]
    let bytes = coded(symbols, parameter: parameter)
    #expect(
      try RiceCode.symbols(
        in: bytes[...], parameter: parameter, elementCount: elementCount, nonZeroCount: 1)
        == symbols)
    // One element fewer, and the same bytes point beyond the tensor.
    #expect(throws: RiceCode.Fault.indexBeyondTensor) {
      try RiceCode.symbols(
        in: bytes[...], parameter: parameter, elementCount: elementCount - 1, nonZeroCount: 1)
    }
  }

  @Test func aRunLongerThanTheTensorIsRefused() {
    let bytes = [UInt8](repeating: 0xFF, count: 1 << 16)
    #expect(throws: RiceCode.Fault.indexBeyondTensor) {
      try RiceCode.symbols(in: bytes[...], parameter: 3, elementCount: 1000, nonZeroCount: 1)
    }
  }

  @Test func bytesThatAreMissingOrTooManyAreRefused() {
    let bytes = coded(goldenSymbols, parameter: 2)
    #expect(throws: RiceCode.Fault.length(usedBitCount: 28)) {
      try RiceCode.symbols(in: bytes[..<3], parameter: 2, elementCount: 40, nonZeroCount: 5)
    }
    #expect(throws: RiceCode.Fault.length(usedBitCount: 28)) {
      try RiceCode.symbols(in: (bytes + [0])[...], parameter: 2, elementCount: 40, nonZeroCount: 5)
    }
    #expect(throws: RiceCode.Fault.length(usedBitCount: 0)) {
      try RiceCode.symbols(in: [0], parameter: 2, elementCount: 40, nonZeroCount: 0)
    }
  }

  @Test(arguments: 28..<32)
  func aBitInThePaddingIsRefused(bit: Int) {
    var bytes = coded(goldenSymbols, parameter: 2)
    bytes[bit / 8] |= 1 << (bit % 8)
    #expect(throws: RiceCode.Fault.padding) {
      try RiceCode.symbols(in: bytes[...], parameter: 2, elementCount: 40, nonZeroCount: 5)
    }
  }

  @Test func nothingTakesNoBytes() throws {
    #expect(RiceCode.best(for: [], elementCount: 40) == (0, 0))
    #expect(
      try RiceCode.symbols(in: [], parameter: 0, elementCount: 40, nonZeroCount: 0).isEmpty)
  }

  private func coded(_ symbols: [UInt32], parameter: Int) -> [UInt8] {
    var bytes: [UInt8] = [42]
    let bitCount = RiceCode.bitCount(of: symbols, parameter: parameter)
    RiceCode.append(symbols, parameter: parameter, (bitCount + 7) / 8, &bytes)
    #expect(bytes.first == 42)
    return Array(bytes.dropFirst())
  }

  /// The format's definition, bit by bit.
  private func plainlyCoded(_ symbols: [UInt32], parameter: Int) -> [UInt8] {
    var bits: [Bool] = []
    var previous = -1
    for symbol in symbols {
      let gap = Int(symbol >> 1) - previous - 1
      bits += [Bool](repeating: true, count: gap >> parameter) + [false]
      bits += (0..<parameter).map { gap >> $0 & 1 == 1 }
      bits.append(symbol & 1 == 1)
      previous = Int(symbol >> 1)
    }
    var bytes = [UInt8](repeating: 0, count: (bits.count + 7) / 8)
    for (position, bit) in bits.enumerated() where bit {
      bytes[position / 8] |= 1 << (position % 8)
    }
    return bytes
  }
}
