// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// A file whose contents are replaced as a whole, and are on the disk when `write` returns.
public struct DurableFile: Hashable, Sendable {
  /// Where it is.
  public let path: String
  private let mode: UInt32

  /// The file at `path`, which need not exist yet.
  ///
  /// - Parameter mode: who may do what with the file once it is written.
  public init(path: String, mode: UInt32 = 0o600) {
    self.path = path
    self.mode = mode
  }

  /// The contents; nil when there is no file.
  public func read() throws(FileError) -> [UInt8]? {
    guard access(path, F_OK) == 0 || errno != ENOENT else { return nil }
    let file = try OpenFile(reading: path)
    return try filledBytes(try file.byteCount()) { (buffer) throws(FileError) in
      try file.read(at: 0, into: buffer)
    }
  }

  /// Replaces the contents: after a crash the file holds the old ones or these.
  public func write(_ bytes: [UInt8]) throws(FileError) {
    try write { (write: Writer) throws(FileError) in
      try withBytes(of: bytes[...]) { (bytes) throws(FileError) in try write(bytes) }
    }
  }

  /// Takes the next bytes of a file.
  public typealias Writer = (UnsafeRawBufferPointer) throws(FileError) -> Void

  /// Replaces the contents by what `body` hands over piece by piece.
  ///
  /// - Throws: What `body` throws, and when the disk fails: the old contents are still there then.
  public func write(_ body: (Writer) throws(FileError) -> Void) throws(FileError) {
    var template = Array("\(path).new-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw .system("write", path) }
    close(descriptor)
    let draft = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    do throws(FileError) {
      let file = try OpenFile(writing: draft)
      var offset = 0
      try body { (bytes) throws(FileError) in
        try file.write(bytes, at: offset)
        offset += bytes.count
      }
      try file.setMode(mode)
      try file.synchronize()
      try move(draft, to: path)
    } catch {
      unlink(draft)
      throw error.renamed(from: draft, to: path)
    }
  }
}

extension FileError {
  /// The same, said of the file that was to be written and not of its draft.
  fileprivate func renamed(from draft: String, to path: String) -> FileError {
    switch self {
    case .failed(let verb, draft, let reason): .failed(verb: verb, path: path, reason: reason)
    case .full(draft): .full(path: path)
    default: self
    }
  }
}

/// The bytes that `fill` writes into a buffer of `count`.
func filledBytes(
  _ count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(FileError) -> Void
) throws(FileError) -> [UInt8] {
  do {
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let target = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count])
      try fill(target)
      initialized = count
    }
  } catch let error as FileError {
    throw error
  } catch {
    preconditionFailure("only files fail here, not \(error)")
  }
}

/// Calls `body` with the bytes of `slice`.
func withBytes<Result>(
  of slice: ArraySlice<UInt8>,
  _ body: (UnsafeRawBufferPointer) throws(FileError) -> Result
) throws(FileError) -> Result {
  let outcome = slice.withUnsafeBytes { bytes in
    Swift.Result { () throws(FileError) in try body(bytes) }
  }
  return try outcome.get()
}
