// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The bytes of a file, mapped or in memory, and the name under which errors speak of it.
struct FileContents: Sendable {
  private enum Storage: Sendable {
    case mapped(MappedFile)
    case array([UInt8])
  }

  /// The file's path, or a description of where the bytes come from.
  let path: String
  private let storage: Storage

  /// The file at `path`, mapped.
  init(path: String) throws(CheckpointError) {
    self.path = path
    storage = .mapped(try MappedFile(path: path))
  }

  /// Bytes at hand.
  init(bytes: [UInt8], named name: String) {
    path = name
    storage = .array(bytes)
  }

  /// The number of bytes.
  var count: Int {
    switch storage {
    case .mapped(let file): file.count
    case .array(let bytes): bytes.count
    }
  }

  /// Calls `body` with all bytes; the buffer must not outlive the call.
  func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch storage {
    case .mapped(let file): try file.withBytes(body)
    case .array(let bytes):
      try bytes.withUnsafeBufferPointer { (buffer) throws(Failure) in
        try body(UnsafeRawBufferPointer(buffer))
      }
    }
  }

  /// Calls `body` with the bytes of `range`.
  ///
  /// - Precondition: the range lies within the file.
  func withBytes<Result, Failure: Error>(
    in range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withBytes { (bytes) throws(Failure) in
      precondition(
        range.lowerBound >= 0 && range.upperBound <= bytes.count,
        "bytes \(range) of \(bytes.count) of \(path)")
      return try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }

  /// Lets the system take back the memory that the bytes of `range` take as part of this process.
  func releasePages(in range: Range<Int>) {
    if case .mapped(let file) = storage { file.releasePages(in: range) }
  }

  /// A copy of all bytes, for small files.
  ///
  /// - Throws: `malformed` for a file of more than `limit` bytes.
  static func read(_ path: String, limit: Int) throws(CheckpointError) -> [UInt8] {
    let contents = try FileContents(path: path)
    guard contents.count <= limit else {
      throw .malformed(path: path, what: "\(contents.count) bytes, at most \(limit) are read")
    }
    return contents.withBytes { Array($0) }
  }

  /// Whether there is a file or folder at `path`.
  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether there is a folder at `path`.
  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
