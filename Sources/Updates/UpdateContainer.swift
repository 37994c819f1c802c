// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Files
internal import Tensors

/// What every update file has in common, whatever its codec.
///
/// All numbers are little-endian.
///
///     file    = "TRNU", u8 version, u8 codec, u16 tensors, 32 bytes digest of the layout, section*
///     section = u16 tensor, u8 coding, u8 b, u32 elements, u32 non-zeros, f32 scale,
///               u32 bytes, bytes
///
/// There is one section a tensor, in the layout's order. A dense file has raw sections (coding 0:
/// all elements as f32; b 0, scale 1), a ternary one Rice-coded sections (coding 1, see
/// ``RiceCode``). Coding 2 (bitmap) and 3 (rANS) are reserved, and refused by name.
///
/// A stochastic ternary file (codec 4) has sections of coding 4, for values drawn at random and
/// values too large to be drawn (see ``StochasticTernary``). Its contents are
///
///     u32 exact values, (u32 index, f32 value)*, Rice-coded symbols
///
/// where non-zeros counts both, the exact values have ascending indices and magnitudes of at least
/// the scale, and no index occurs in both parts.
struct UpdateContainer {
  /// The codec of a file, by its number there.
  enum Kind: UInt8 {
    case dense = 0
    case ternary = 1
    case stochasticTernary = 4
  }

  /// The bytes of the number of exact values, and of each.
  static let exactCountByteCount = 4
  static let exactValueByteCount = 8

  /// One tensor's part of a file.
  struct Section: Equatable {
    var riceParameter = 0
    var elementCount: Int
    var nonZeroCount: Int
    var scale: Float = 1
    /// Where the section's contents lie in the file.
    var contents: Range<Int>
  }

  static let magic = Array("TRNU".utf8)
  static let version: UInt8 = 1
  static let headerByteCount = 40
  static let sectionHeaderByteCount = 20
  static let tensorLimit = Int(UInt16.max)
  /// So that a raw section's bytes can be counted in 32 bits.
  static let elementLimit = 1 << 30 - 1

  let kind: Kind
  let layoutDigest: Digest
  let sections: [Section]

  /// The sections of `bytes`: every field in bounds, every length checked, contents not yet read.
  init(_ bytes: [UInt8]) throws(UpdateError) {
    try self.init(byteCount: bytes.count) { bytes[$0] }
  }

  /// The sections of `payload`, of which the contents are not yet read.
  init(_ payload: Payload) throws(UpdateError) {
    try self.init(byteCount: payload.byteCount) { (range) throws(UpdateError) in
      try storing { () throws(FileError) in try payload.bytes(in: range) }
    }
  }

  private init(
    byteCount: Int, read: (Range<Int>) throws(UpdateError) -> ArraySlice<UInt8>
  ) throws(UpdateError) {
    func next(_ count: Int, from position: Int) throws(UpdateError) -> ByteReader {
      guard count <= byteCount - position else {
        throw .truncated(needed: position + count, available: byteCount)
      }
      return ByteReader(try read(position..<(position + count)))
    }
    var header = try next(Self.headerByteCount, from: 0)
    guard header.bytes(Self.magic.count) == Self.magic[...] else { throw .magic }
    let version = header.integer(UInt8.self)
    guard version == Self.version else { throw .version(Int(version)) }
    let codec = header.integer(UInt8.self)
    guard let kind = Kind(rawValue: codec) else { throw .unknownCodec(Int(codec)) }
    let tensorCount = Int(header.integer(UInt16.self))
    guard let digest = Digest(bytes: header.bytes(Digest.byteCount)) else { throw .magic }
    var position = Self.headerByteCount
    guard tensorCount * Self.sectionHeaderByteCount <= byteCount - position else {
      throw .truncated(
        needed: position + tensorCount * Self.sectionHeaderByteCount, available: byteCount)
    }
    self.kind = kind
    self.layoutDigest = digest
    var sections: [Section] = []
    sections.reserveCapacity(tensorCount)
    for tensor in 0..<tensorCount {
      let header = try next(Self.sectionHeaderByteCount, from: position)
      position += Self.sectionHeaderByteCount
      let section = try Self.section(tensor, of: kind, header, before: position..<byteCount)
      position = section.contents.upperBound
      sections.append(section)
    }
    guard position == byteCount else { throw .trailingBytes(byteCount - position) }
    self.sections = sections
  }

  /// Refuses a file of another codec, or that was not made for `layout`.
  func check(_ expected: Kind, against layout: ParameterLayout) throws(UpdateError) {
    guard kind == expected else { throw .codec(expected: "\(expected)", found: "\(kind)") }
    try check(against: layout)
  }

  /// Refuses a file that was not made for `layout`.
  func check(against layout: ParameterLayout) throws(UpdateError) {
    guard sections.count == layout.entries.count else {
      throw .tensorCount(expected: layout.entries.count, found: sections.count)
    }
    let expected = layout.digest
    guard layoutDigest == expected else { throw .layout(expected: expected, found: layoutDigest) }
    for (tensor, entry) in layout.entries.enumerated() {
      let found = sections[tensor].elementCount
      guard found == entry.count else {
        throw .elementCount(tensor: tensor, expected: entry.count, found: found)
      }
    }
  }

  /// Refuses a layout that no file can carry.
  static func checkLimits(of layout: ParameterLayout) throws(UpdateError) {
    guard layout.entries.count <= tensorLimit else {
      throw .tooManyTensors(count: layout.entries.count, limit: tensorLimit)
    }
    for entry in layout.entries where entry.count > elementLimit {
      throw .tensorTooLarge(tensor: entry.name, count: entry.count, limit: elementLimit)
    }
  }

  /// The bytes before the first section.
  static func header(_ kind: Kind, layout: ParameterLayout) -> [UInt8] {
    var bytes = magic
    bytes.append(version)
    bytes.append(kind.rawValue)
    bytes.append(littleEndian: UInt16(layout.entries.count))
    bytes.append(contentsOf: layout.digest.bytes)
    return bytes
  }

  /// The bytes of a section before its contents.
  static func sectionHeader(_ tensor: Int, of kind: Kind, _ section: Section) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt16(tensor))
    bytes.append(kind.rawValue)
    bytes.append(UInt8(section.riceParameter))
    bytes.append(littleEndian: UInt32(section.elementCount))
    bytes.append(littleEndian: UInt32(section.nonZeroCount))
    bytes.append(littleEndian: section.scale.bitPattern)
    bytes.append(littleEndian: UInt32(section.contents.count))
    return bytes
  }

  private static func section(
    _ tensor: Int, of kind: Kind, _ header: ByteReader, before rest: Range<Int>
  ) throws(UpdateError) -> Section {
    var reader = header
    let found = Int(reader.integer(UInt16.self))
    guard found == tensor else { throw .tensorOrder(expected: tensor, found: found) }
    let coding = reader.integer(UInt8.self)
    // Codings are numbered like the codecs that use them.
    guard coding == kind.rawValue else {
      throw .coding(tensor: tensor, name: codingName(coding, in: kind))
    }
    let riceParameter = Int(reader.integer(UInt8.self))
    let elementCount = Int(reader.integer(UInt32.self))
    let nonZeroCount = Int(reader.integer(UInt32.self))
    let scale = Float(bitPattern: reader.integer(UInt32.self))
    let byteCount = Int(reader.integer(UInt32.self))
    guard scale.isFinite, scale.sign == .plus else { throw .scale(tensor: tensor) }
    guard nonZeroCount <= elementCount, elementCount <= elementLimit else {
      throw .nonZeroCount(limit: min(elementCount, elementLimit), found: nonZeroCount)
    }
    guard byteCount <= rest.count else {
      throw .truncated(needed: rest.lowerBound + byteCount, available: rest.upperBound)
    }
    let section = Section(
      riceParameter: riceParameter, elementCount: elementCount, nonZeroCount: nonZeroCount,
      scale: scale, contents: rest.prefix(byteCount))
    try section.checkFields(tensor, of: kind)
    return section
  }

  private static func codingName(_ coding: UInt8, in kind: Kind) -> String {
    switch coding {
    case 0: "0 (raw) in a \(kind) update"
    case 1: "1 (Rice) in a \(kind) update"
    case 2: "2 (bitmap), which this version does not read"
    case 3: "3 (rANS), which this version does not read"
    case 4: "4 (Rice with exact values) in a \(kind) update"
    default: "\(coding), which is unknown"
    }
  }
}

extension UpdateContainer.Kind: CustomStringConvertible {
  /// The codec's name.
  var description: String {
    switch self {
    case .dense: "dense"
    case .ternary: "ternary"
    case .stochasticTernary: "stochastic ternary"
    }
  }
}

extension UpdateContainer.Section {
  /// Refuses fields that contradict each other.
  fileprivate func checkFields(
    _ tensor: Int, of kind: UpdateContainer.Kind
  ) throws(UpdateError) {
    switch kind {
    case .dense:
      guard riceParameter == 0 else { throw .riceParameter(tensor: tensor, found: riceParameter) }
      guard scale == 1 else { throw .scale(tensor: tensor) }
      guard nonZeroCount == elementCount else {
        throw .nonZeroCount(limit: elementCount, found: nonZeroCount)
      }
      let expected = elementCount * MemoryLayout<Float>.size
      guard contents.count == expected else {
        throw .sectionLength(tensor: tensor, expected: expected, found: contents.count)
      }
    case .ternary, .stochasticTernary:
      guard riceParameter <= RiceCode.parameterLimit else {
        throw .riceParameter(tensor: tensor, found: riceParameter)
      }
      // A symbol takes a stop bit, the remainder and a sign at the least.
      let limit = contents.count * 8 / (2 + riceParameter)
      guard nonZeroCount <= limit else {
        throw .nonZeroCount(limit: limit, found: nonZeroCount)
      }
    }
  }
}
