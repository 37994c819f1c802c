// SPDX-License-Identifier: Apache-2.0
internal import Digests
public import Files
public import Tensors

/// Steps along directions of one key, one after the other: what a worker that learns by losses did
/// between two versions.
public struct Walk: Hashable, Sendable {
  /// The key of the directions.
  public let key: UInt64
  /// The steps, by ascending number.
  public let steps: [DirectionStep]

  /// A walk by its parts.
  public init(key: UInt64, steps: [DirectionStep]) {
    self.key = key
    self.steps = steps
  }

  /// The walk that goes `factor` times as far, each coefficient rounded once.
  ///
  /// - Precondition: no step has a rate.
  func scaled(by factor: Double) -> Walk {
    Walk(
      key: key,
      steps: steps.map { step in
        precondition(step.rate == nil, "scaling step \(step.step), which has a rate")
        return DirectionStep(
          step: step.step,
          terms: step.terms.map {
            DirectionTerm(query: $0.query, coefficient: Float(Double($0.coefficient) * factor))
          })
      })
  }

  /// One walk along the directions of all, each taken once: as far as its terms say together, each
  /// term times its walk's factor, added in double precision in the given order and rounded once.
  ///
  /// Where it leads to is where all walks would lead to one after the other, but for rounding.
  ///
  /// - Precondition: the walks have one key, and no step has a rate.
  public static func merged(_ walks: [(walk: Walk, factor: Double)]) -> Walk {
    guard let key = walks.first?.walk.key else { preconditionFailure("a walk made of none") }
    var sums: [UInt32: [UInt32: Double]] = [:]
    for (walk, factor) in walks {
      precondition(walk.key == key, "directions of \(walk.key) among those of \(key)")
      for step in walk.steps {
        precondition(step.rate == nil, "merging step \(step.step), which has a rate")
        for term in step.terms {
          sums[step.step, default: [:]][term.query, default: 0] += Double(term.coefficient) * factor
        }
      }
    }
    let steps = sums.sorted { $0.key < $1.key }.map { step, terms in
      DirectionStep(
        step: step,
        terms: terms.sorted { $0.key < $1.key }.map {
          DirectionTerm(query: $0.key, coefficient: Float($0.value))
        })
    }
    return Walk(key: key, steps: steps)
  }
}

/// Walks as they travel: one from a worker, or those that a version is made of.
///
///     file = "TRND", u8 version, u8 0, u16 walks, 32 bytes digest of the layout, walk*
///     walk = u64 key, u32 steps, step*, each as ``DirectionStep/bytes``
///
/// Numbers are little-endian. Walks are taken in the order of the file.
public struct DirectionsUpdate: Hashable, Sendable {
  /// The walks.
  public let walks: [Walk]

  /// No file is longer, so that it can be put together and taken apart in memory.
  public static let byteLimit = UpdateSequence.byteLimit

  private static let magic = Array("TRND".utf8)
  private static let version: UInt8 = 1
  static let headerByteCount = 40
  static let walkHeaderByteCount = 12
  /// A step of no terms: its number, its flags, and how many terms there are.
  private static let leastStepByteCount = 3

  /// An update of `walks`, at most 65,535.
  public init(walks: [Walk]) {
    precondition(walks.count <= UInt16.max, "an update of \(walks.count) walks")
    self.walks = walks
  }

  /// The update's file, for an adapter of `layout`.
  ///
  /// - Precondition: each walk's steps ascend, and each step's queries.
  public func payload(for layout: ParameterLayout) -> [UInt8] {
    var payload = Self.magic + [Self.version, 0]
    payload.append(littleEndian: UInt16(walks.count))
    payload += layout.digest.bytes
    for walk in walks {
      payload.append(littleEndian: walk.key)
      payload.append(littleEndian: UInt32(walk.steps.count))
      for step in walk.steps { payload += step.bytes }
    }
    return payload
  }

  /// The update in `payload`, which may be anything at all.
  ///
  /// - Throws: unless it is a well-formed one for `layout`, of finite numbers, whose steps ascend.
  public init(_ payload: [UInt8], layout: ParameterLayout) throws(UpdateError) {
    try self.init(payload)
    let digest = Digest(bytes: payload[8..<Self.headerByteCount])
    guard let digest, digest == layout.digest else {
      throw .layout(expected: layout.digest, found: digest ?? layout.digest)
    }
  }

  /// The update in `payload`, which may be anything at all, for whatever layout.
  ///
  /// - Throws: unless it is a well-formed one.
  public init(_ payload: [UInt8]) throws(UpdateError) {
    guard payload.count <= Self.byteLimit else {
      throw .sequenceLength(limit: Self.byteLimit, found: payload.count)
    }
    var reader = ByteReader(payload[...])
    try reader.require(Self.headerByteCount)
    guard reader.bytes(Self.magic.count) == Self.magic[...] else { throw .magic }
    let found = (version: reader.integer(UInt8.self), fill: reader.integer(UInt8.self))
    guard found == (Self.version, 0) else { throw .version(Int(found.version)) }
    let walkCount = Int(reader.integer(UInt16.self))
    _ = reader.bytes(Digest.byteCount)
    var walks: [Walk] = []
    for _ in 0..<walkCount { walks.append(try Self.walk(&reader)) }
    guard reader.remaining == 0 else { throw .trailingBytes(reader.remaining) }
    self.walks = walks
  }

  /// Whether `payload` begins as walks do; what follows may be anything.
  public static func begins(_ payload: Payload) throws(UpdateError) -> Bool {
    guard payload.byteCount >= magic.count else { return false }
    return try storing { () throws(FileError) in
      try payload.bytes(in: 0..<magic.count).elementsEqual(magic)
    }
  }

  private static func walk(_ reader: inout ByteReader) throws(UpdateError) -> Walk {
    try reader.require(walkHeaderByteCount)
    let key = reader.integer(UInt64.self)
    let stepCount = Int(reader.integer(UInt32.self))
    guard stepCount <= reader.remaining / leastStepByteCount else {
      throw .directions("the number of steps")
    }
    var steps: [DirectionStep] = []
    steps.reserveCapacity(stepCount)
    for _ in 0..<stepCount {
      let step = try DirectionStep(&reader)
      guard steps.last.map({ $0.step < step.step }) ?? true else { throw .directions("the step") }
      steps.append(step)
    }
    return Walk(key: key, steps: steps)
  }
}
