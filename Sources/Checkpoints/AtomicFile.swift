// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Writing files that are either whole or not there.
enum AtomicFile {
  /// Writes the chunks that `body` hands over to `path`: to a temporary file beside it, synced,
  /// then renamed over it.
  static func write(
    to path: String,
    _ body: ((UnsafeRawBufferPointer) throws(CheckpointError) -> Void) throws(CheckpointError) ->
      Void
  ) throws(CheckpointError) {
    var template = Array("\(path).XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw .unwritable(path: path, reason: systemReason()) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    do throws(CheckpointError) {
      try body { (chunk) throws(CheckpointError) in
        try writeAll(chunk, to: descriptor, path: path)
      }
      // mkstemp gives 0600; the file should be as readable as any other.
      guard fchmod(descriptor, 0o644) == 0, fsync(descriptor) == 0, rename(template, path) == 0
      else { throw .unwritable(path: path, reason: systemReason()) }
    } catch {
      close(descriptor)
      unlink(template)
      throw error
    }
    close(descriptor)
    syncFolder(of: path)
  }

  /// Writes `bytes` to `path`.
  static func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    try write(to: path) { (write) throws(CheckpointError) in
      try FileContents(bytes: bytes, named: path).withBytes(write)
    }
  }

  /// Makes the folder at `path` unless it is there; its parent must be.
  static func makeFolder(_ path: String) throws(CheckpointError) {
    guard mkdir(path, 0o755) == 0 || FileContents.isFolder(path) else {
      throw .unwritable(path: path, reason: systemReason())
    }
  }

  private static func writeAll(
    _ chunk: UnsafeRawBufferPointer, to descriptor: CInt, path: String
  ) throws(CheckpointError) {
    var rest = chunk[...]
    while !rest.isEmpty {
      let buffer = UnsafeRawBufferPointer(rebasing: rest)
      let written = Glibc.write(descriptor, buffer.baseAddress, buffer.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw .unwritable(path: path, reason: systemReason()) }
      rest = rest.dropFirst(written)
    }
  }

  /// Makes the rename itself durable; a file system that cannot do so has done what it can.
  private static func syncFolder(of path: String) {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }
}
