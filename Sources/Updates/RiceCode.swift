// SPDX-License-Identifier: Apache-2.0

/// Golomb-Rice codes of the gaps between non-zeros, each followed by its sign.
///
/// Bits fill bytes from the lowest up. A non-zero is a symbol: with the gap g to the one before it
/// (the number of zeros between them), (g >> b) ones, a zero, the low b bits of g from the lowest
/// up, and the sign, 1 for plus. S. Golomb, "Run-Length Encodings", 1966; F. Sattler et al.,
/// "Robust and Communication-Efficient Federated Learning from Non-IID Data", 2019, section IV.
///
/// In memory a non-zero is one word: its index times two, plus one if it is positive.
enum RiceCode {
  /// The largest parameter of use: gaps are below 2^30.
  static let parameterLimit = 30

  /// Bytes beyond its own that ``encode(_:parameter:into:)`` may overwrite.
  static let slackByteCount = 8

  /// What may be wrong with coded bits.
  enum Fault: Error, Equatable {
    case indexBeyondTensor
    case length(usedBitCount: Int)
    case padding
  }

  /// The number of bits that `symbols` take.
  static func bitCount(of symbols: [UInt32], parameter: Int) -> Int {
    symbols.withUnsafeBufferPointer { symbols in
      var quotients = 0
      var next: UInt32 = 0
      var position = 0
      while position < symbols.count {
        let index = symbols[position] >> 1
        quotients &+= Int((index &- next) >> UInt32(truncatingIfNeeded: parameter))
        next = index &+ 1
        position &+= 1
      }
      return quotients + symbols.count * (2 + parameter)
    }
  }

  /// The parameter that codes `symbols` in the fewest bits, and how many these are.
  ///
  /// The count is convex in the parameter, so the first minimum met is the only one.
  static func best(
    for symbols: [UInt32], elementCount: Int
  ) -> (parameter: Int, bitCount: Int) {
    guard !symbols.isEmpty else { return (0, 0) }
    let meanGap = (elementCount - symbols.count) / symbols.count
    var parameter = max(0, Int.bitWidth - meanGap.leadingZeroBitCount - 1)
    var count = bitCount(of: symbols, parameter: parameter)
    for step in [-1, 1] {
      while (0...parameterLimit).contains(parameter + step) {
        let other = bitCount(of: symbols, parameter: parameter + step)
        guard other < count else { break }
        (parameter, count) = (parameter + step, other)
      }
    }
    return (parameter, count)
  }

  /// The most bits that the best parameter ever needs.
  static func maximumBitCount(elementCount: Int, nonZeroCount: Int) -> Int {
    let zeroCount = elementCount - nonZeroCount
    return (0...parameterLimit).map { (zeroCount >> $0) + nonZeroCount * (2 + $0) }.min() ?? 0
  }

  /// Writes `symbols` to the beginning of `target`.
  ///
  /// - Precondition: `target` holds the bytes that they take and ``slackByteCount`` more.
  static func encode(
    _ symbols: [UInt32], parameter: Int, into target: UnsafeMutableRawBufferPointer
  ) {
    symbols.withUnsafeBufferPointer { symbols in
      var writer = BitWriter(target)
      let width = UInt64(truncatingIfNeeded: parameter)
      let mask = (UInt64(1) &<< width) &- 1
      var next: UInt32 = 0
      var position = 0
      while position < symbols.count {
        let symbol = symbols[position]
        let gap = UInt64((symbol >> 1) &- next)
        var quotient = gap &>> width
        while quotient > 24 {
          writer.append((1 &<< 24) &- 1, count: 24)
          quotient &-= 24
        }
        let tail = (gap & mask) | (UInt64(symbol & 1) &<< width)
        writer.append(
          ((1 &<< quotient) &- 1) | (tail &<< (quotient &+ 1)), count: quotient &+ width &+ 2)
        next = (symbol >> 1) &+ 1
        position &+= 1
      }
    }
  }

  /// Reads as many symbols as `symbols` holds from `source`, which must hold these and no more.
  ///
  /// - Parameter elementCount: every index is below it.
  static func decode(
    _ source: UnsafeRawBufferPointer, parameter: Int, elementCount: Int,
    into symbols: UnsafeMutableBufferPointer<UInt32>
  ) throws(Fault) {
    let reader = BitReader(source)
    let width = UInt64(truncatingIfNeeded: parameter)
    let mask = (UInt64(1) &<< width) &- 1
    let limit = UInt64(elementCount)
    var bit = 0
    var next: UInt64 = 0
    var position = 0
    while position < symbols.count {
      var window = reader.window(at: bit)
      var quotient = UInt64((~window).trailingZeroBitCount)
      bit &+= Int(quotient)
      if quotient > 24 {
        quotient = reader.longRun(quotient, at: &bit, limit: limit &>> width)
        window = reader.window(at: bit)
      } else {
        window &>>= quotient
      }
      bit &+= 2 &+ parameter
      let index = next &+ (quotient &<< width) &+ ((window &>> 1) & mask)
      guard index < limit else { throw .indexBeyondTensor }
      let sign = (window &>> (width &+ 1)) & 1
      symbols[position] = UInt32(truncatingIfNeeded: (index &<< 1) | sign)
      next = index &+ 1
      position &+= 1
    }
    // Beyond the end the reader sees zeros, which are symbols too: what was used tells.
    guard bit <= source.count * 8, source.count * 8 - bit < 8 else {
      throw .length(usedBitCount: bit)
    }
    guard reader.window(at: bit) == 0 else { throw .padding }
  }
}

extension RiceCode {
  /// Appends `symbols` to `payload`, where they take `byteCount` bytes.
  static func append(
    _ symbols: [UInt32], parameter: Int, _ byteCount: Int, _ payload: inout [UInt8]
  ) {
    let start = payload.count
    payload.append(contentsOf: repeatElement(0, count: byteCount + slackByteCount))
    payload.withUnsafeMutableBytes { bytes in
      encode(
        symbols, parameter: parameter,
        into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...]))
    }
    payload.removeLast(slackByteCount)
  }

  /// The `nonZeroCount` symbols that `bytes` consist of.
  static func symbols(
    in bytes: ArraySlice<UInt8>, parameter: Int, elementCount: Int, nonZeroCount: Int
  ) throws(Fault) -> [UInt32] {
    var fault: Fault?
    let symbols = [UInt32](unsafeUninitializedCapacity: nonZeroCount) { symbols, count in
      bytes.withUnsafeBytes { bytes in
        do throws(Fault) {
          try decode(
            bytes, parameter: parameter, elementCount: elementCount,
            into: UnsafeMutableBufferPointer(rebasing: symbols[..<nonZeroCount]))
          count = nonZeroCount
        } catch {
          fault = error
        }
      }
    }
    if let fault { throw fault }
    return symbols
  }
}
