// SPDX-License-Identifier: Apache-2.0
public import Digests

/// Bytes known by their digest: in memory, or in a file that is read piece by piece.
///
/// Two payloads are equal when their digests are.
public struct Payload: Sendable {
  /// The SHA-256 of the bytes.
  public let digest: Digest
  /// How many bytes there are.
  public let byteCount: Int
  private let storage: Storage

  private enum Storage: Sendable {
    case memory([UInt8])
    case file(OpenFile)
  }

  /// A payload in memory.
  public init(_ bytes: [UInt8]) { self.init(bytes, digest: Digest(of: bytes)) }

  /// A payload in memory whose digest is known.
  public init(_ bytes: [UInt8], digest: Digest) {
    self.digest = digest
    byteCount = bytes.count
    storage = .memory(bytes)
  }

  /// A payload in a file, which nobody changes from now on.
  public init(_ file: OpenFile, byteCount: Int, digest: Digest) {
    self.digest = digest
    self.byteCount = byteCount
    storage = .file(file)
  }

  /// The file that holds the payload; nil when memory does.
  public var file: OpenFile? {
    if case .file(let file) = storage { file } else { nil }
  }

  /// Some of the bytes.
  ///
  /// - Precondition: `range` lies within the payload.
  /// - Throws: when the file cannot be read.
  public func bytes(in range: Range<Int>) throws(FileError) -> ArraySlice<UInt8> {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= byteCount,
      "bytes \(range) of a payload of \(byteCount)")
    switch storage {
    case .memory(let bytes): return bytes[range]
    case .file(let file):
      return try filledBytes(range.count) { (buffer) throws(FileError) in
        try file.read(at: range.lowerBound, into: buffer)
      }[...]
    }
  }

  /// Copies the bytes from `offset` on into `buffer`, until it is full.
  ///
  /// - Precondition: there are as many.
  /// - Throws: when the file cannot be read.
  public func copy(
    from offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    precondition(
      offset >= 0 && buffer.count <= byteCount - offset,
      "\(buffer.count) bytes from \(offset) of a payload of \(byteCount)")
    switch storage {
    case .memory(let bytes):
      bytes.withUnsafeBytes {
        buffer.copyMemory(from: .init(rebasing: $0[offset...].prefix(buffer.count)))
      }
    case .file(let file): try file.read(at: offset, into: buffer)
    }
  }

  /// All of the bytes.
  ///
  /// - Throws: when the file cannot be read.
  public func bytes() throws(FileError) -> [UInt8] {
    if case .memory(let bytes) = storage { return bytes }
    return Array(try bytes(in: 0..<byteCount))
  }

  /// Whether the bytes are what the digest says: for files that others may have touched.
  public func isIntact() throws(FileError) -> Bool {
    var hasher = DigestHasher()
    var offset = 0
    while offset < byteCount {
      let end = min(byteCount, offset + pieceByteCount)
      try withBytes(of: try bytes(in: offset..<end)) { (bytes) throws(FileError) in
        hasher.update(bytes)
      }
      offset = end
    }
    return hasher.finalized() == digest
  }
}

/// How much of a file is in memory at once when all of it passes through.
let pieceByteCount = 256 << 10

extension Payload: Hashable {
  /// Whether both have the same digest.
  public static func == (left: Payload, right: Payload) -> Bool { left.digest == right.digest }

  /// Hashes the digest.
  public func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}
