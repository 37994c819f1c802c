// SPDX-License-Identifier: Apache-2.0
internal import Tensors

/// A direction of a step, and how far something moves along it.
public struct DirectionTerm: Hashable, Codable, Sendable {
  /// The query of the step that the direction belongs to.
  public let query: UInt32
  /// How far: negative against the direction.
  public let coefficient: Float

  /// A term by its parts.
  public init(query: UInt32, coefficient: Float) {
    self.query = query
    self.coefficient = coefficient
  }
}

/// What a step of zeroth-order training does to the adapter: it is all that a replica needs.
///
/// Coefficients are computed once, in double precision, by whoever has the scalars, and rounded once;
/// every replica adds them in this order.
public struct DirectionStep: Hashable, Codable, Sendable {
  /// The step.
  public let step: UInt32
  /// The directions, and what they are multiplied with.
  ///
  /// Without a rate their sum is what is added to
  /// the adapter; with one it is the estimated gradient. A query that was dropped is not among them;
  /// one whose scalar is zero is.
  public let terms: [DirectionTerm]
  /// The learning rate, for a rule that makes more of the gradient than a multiple.
  public let rate: Float?

  /// A step by its parts.
  public init(step: UInt32, terms: [DirectionTerm], rate: Float? = nil) {
    self.step = step
    self.terms = terms
    self.rate = rate
  }
}

extension DirectionTerm {
  /// What the term stands for.
  func scaled(ofStep step: UInt32, along directions: Directions) -> ScaledDirection {
    ScaledDirection(directions.direction(step: step, query: query), times: coefficient)
  }
}

extension DirectionStep {
  /// What the terms stand for, in their order.
  func scaled(along directions: Directions) -> [ScaledDirection] {
    terms.map { $0.scaled(ofStep: step, along: directions) }
  }
}

// MARK: - As bytes

extension DirectionTerm {
  /// A number of 32 bits, 7 a byte, and the coefficient.
  static let maximumByteCount = 9
}

extension DirectionStep {
  /// What a step takes beside its terms at the most: two numbers of 32 bits, 7 a byte, the flags and
  /// the rate.
  static let maximumFrameByteCount = 15

  /// The step as it travels and as it is journalled.
  ///
  ///     step = varint step, u8 flags, varint terms, then for each term:
  ///            varint query - previous query - 1 (the first previous being -1), f32 coefficient;
  ///            f32 rate if bit 0 of the flags is set
  ///
  /// Numbers are little-endian, varints those of protobuf (7 bits a byte, the lowest first).
  ///
  /// - Precondition: queries ascend.
  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16 + 5 * terms.count)
    bytes.append(varint: UInt64(step))
    bytes.append(rate == nil ? 0 : 1)
    bytes.append(varint: UInt64(terms.count))
    var next: UInt64 = 0
    for term in terms {
      let query = UInt64(term.query)
      precondition(query >= next, "query \(query) after \(next)")
      bytes.append(varint: query - next)
      bytes.append(littleEndian: term.coefficient.bitPattern)
      next = query + 1
    }
    if let rate { bytes.append(littleEndian: rate.bitPattern) }
    return bytes
  }

  /// The step that `bytes`, which may be anything at all, begin with; they are left behind it.
  ///
  /// - Throws: unless there is one, of finite numbers, whose queries ascend.
  init(_ reader: inout ByteReader) throws(UpdateError) {
    guard let step = UInt32(exactly: try reader.varint()) else { throw .directions("the step") }
    try reader.require(1)
    let flags = reader.integer(UInt8.self)
    guard flags <= 1 else { throw .directions("the flags") }
    let count = try reader.varint()
    // A term has five bytes at the least.
    guard count <= UInt64(reader.remaining / 5) else { throw .directions("the number of terms") }
    var terms: [DirectionTerm] = []
    terms.reserveCapacity(Int(count))
    var next: UInt64 = 0
    for _ in 0..<count {
      let (query, overflows) = next.addingReportingOverflow(try reader.varint())
      guard !overflows, let query = UInt32(exactly: query) else { throw .directions("a query") }
      terms.append(DirectionTerm(query: query, coefficient: try reader.finite("a coefficient")))
      next = UInt64(query) + 1
    }
    let rate = flags == 1 ? try reader.finite("the rate") : nil
    self.init(step: step, terms: terms, rate: rate)
  }
}

extension ByteReader {
  /// The next number of 7 bits a byte, the lowest first, in as few bytes as it takes.
  mutating func varint() throws(UpdateError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      try require(1)
      let byte = integer(UInt8.self)
      let bits = UInt64(byte & 0x7F)
      guard (bits << shift) >> shift == bits else { break }
      value |= bits << shift
      guard byte & 0x80 != 0 else {
        guard byte != 0 || shift == 0 else { break }
        return value
      }
    }
    throw .directions("a number")
  }

  fileprivate mutating func finite(_ what: String) throws(UpdateError) -> Float {
    try require(MemoryLayout<Float>.size)
    let value = Float(bitPattern: integer(UInt32.self))
    guard value.isFinite else { throw .directions(what) }
    return value
  }
}

extension [UInt8] {
  /// Appends `number`, 7 bits a byte, the lowest first.
  mutating func append(varint number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }
}
