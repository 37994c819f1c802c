// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import FoundationEssentials

/// A header and some byte strings as one string of bytes that knows when it is damaged.
///
/// Layout: `TERNARCH`, u64 header length, header as JSON, then for each part u64 length and
/// bytes, and the SHA-256 of all that. Integers are little-endian.
struct Archive<Header: Codable> {
  var header: Header
  var parts: [[UInt8]]

  func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let header = Array(try encoder.encode(self.header))
    var bytes = archiveMagic
    for part in [header] + parts {
      bytes += littleEndianBytes(of: part.count)
      bytes += part
    }
    return bytes + Digest(of: bytes).bytes
  }

  init(header: Header, parts: [[UInt8]]) {
    self.header = header
    self.parts = parts
  }

  init(decoding bytes: [UInt8], from place: String) throws {
    let body = bytes.dropLast(Digest.byteCount)
    guard bytes.count >= archiveMagic.count + Digest.byteCount, body.starts(with: archiveMagic),
      Digest(of: Array(body)).bytes.elementsEqual(bytes.suffix(Digest.byteCount))
    else { throw FederationError.damagedState("\(place) does not match its own checksum") }
    var parts: [[UInt8]] = []
    var rest = body.dropFirst(archiveMagic.count)
    while !rest.isEmpty {
      let count = rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      rest = rest.dropFirst(8)
      guard count <= UInt64(rest.count) else {
        throw FederationError.damagedState("\(place) is cut off")
      }
      parts.append(Array(rest.prefix(Int(count))))
      rest = rest.dropFirst(Int(count))
    }
    guard let head = parts.first else {
      throw FederationError.damagedState("\(place) has no header")
    }
    do {
      header = try JSONDecoder().decode(Header.self, from: Data(head))
    } catch {
      throw FederationError.damagedState("\(place) has an unreadable header (\(error))")
    }
    self.parts = Array(parts.dropFirst())
  }
}

private let archiveMagic = Array("TERNARCH".utf8)

private func littleEndianBytes(of count: Int) -> [UInt8] {
  withUnsafeBytes(of: UInt64(count).littleEndian) { Array($0) }
}

/// The little-endian bytes of `values`.
func floatBytes(_ values: [Float]) -> [UInt8] {
  values.withUnsafeBytes { Array($0) }
}

/// The floats whose little-endian bytes are `bytes`; nil unless there are `count` of them.
func floats(from bytes: [UInt8], count: Int) -> [Float]? {
  guard bytes.count == count * MemoryLayout<Float>.size else { return nil }
  return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
    UnsafeMutableRawBufferPointer(buffer).copyBytes(from: bytes)
    initialized = count
  }
}
