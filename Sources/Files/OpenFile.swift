// SPDX-License-Identifier: Apache-2.0
internal import CPlatform
internal import Glibc

// Contract of the unsafe code: pointers into arrays and spans are used within the closure that
// gives them, for at most as many bytes as they have.

/// An open file: positioned reads and writes of whole pieces; closed with the value.
///
/// Safe to read from several tasks: a read has its own position.
public final class OpenFile: Sendable {
  /// Where it was opened.
  public let path: String
  private let descriptor: Int32

  private init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Opens a file to read it.
  public convenience init(reading path: String) throws(FileError) {
    try self.init(path, O_RDONLY, verb: "read")
  }

  /// Opens a file to write and read it; makes it, for its owner only, unless it is there.
  public convenience init(writing path: String) throws(FileError) {
    try self.init(path, O_RDWR | O_CREAT, verb: "write")
  }

  private convenience init(_ path: String, _ flags: Int32, verb: String) throws(FileError) {
    let descriptor = open(path, flags | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system(verb, path) }
    self.init(path: path, descriptor: descriptor)
  }

  /// How long the file is.
  public func byteCount() throws(FileError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system("look at", path) }
    return Int(status.st_size)
  }

  /// Fills `buffer` from `offset` on; a file that ends before is an error.
  public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
    var rest = buffer
    var place = offset
    while !rest.isEmpty {
      let count = pread(descriptor, rest.baseAddress, rest.count, place)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system("read", path) }
      guard count > 0 else {
        throw .changed(path: path, reason: "it ends at byte \(place)")
      }
      place += count
      rest = UnsafeMutableRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Writes all of `bytes` at `offset`.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    var rest = bytes
    var place = offset
    while !rest.isEmpty {
      let count = pwrite(descriptor, rest.baseAddress, rest.count, place)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .system("write", path) }
      place += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Lets the system begin to put what was written there on the disk, without waiting for it.
  func startWriting(_ range: Range<Int>) {
    tern_start_writing(descriptor, Int64(range.lowerBound), Int64(range.count))
  }

  /// Cuts or extends the file.
  public func truncate(to byteCount: Int) throws(FileError) {
    guard ftruncate(descriptor, byteCount) == 0 else { throw .system("shorten", path) }
  }

  /// Waits until what was written is on the disk.
  public func synchronize() throws(FileError) {
    guard fdatasync(descriptor) == 0 else { throw .system("sync", path) }
  }

  /// Sets who may do what with the file.
  func setMode(_ mode: mode_t) throws(FileError) {
    guard fchmod(descriptor, mode) == 0 else { throw .system("set the mode of", path) }
  }
}

/// Renames `path`, over what may be at `target`, and waits until that is on the disk.
public func move(_ path: String, to target: String) throws(FileError) {
  try rename(path, to: target)
  try synchronizeFolder(of: target)
}

/// Renames `path`, over what may be at `target`.
public func rename(_ path: String, to target: String) throws(FileError) {
  guard Glibc.rename(path, target) == 0 else { throw .system("write", target) }
}

/// Whether there is anything at `path`; what cannot be looked at is there.
public func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 || errno != ENOENT }

/// Removes a file; one that is not there is no error.
public func removeFile(_ path: String) throws(FileError) {
  guard unlink(path) == 0 || errno == ENOENT else { throw .system("remove", path) }
}

/// Makes a folder, unless it is there; its parent must be.
public func makeFolder(_ path: String, mode: UInt32 = 0o755) throws(FileError) {
  if mkdir(path, mode) == 0 { return }
  var status = stat()
  let reason = errno
  guard reason == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
    errno = reason
    throw .system("make the folder", path)
  }
}

/// The names of what is in a folder, sorted.
public func namesInFolder(_ path: String) throws(FileError) -> [String] {
  guard let folder = opendir(path) else { throw .system("read", path) }
  defer { closedir(folder) }
  var names: [String] = []
  while let entry = readdir(folder) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}

/// Waits until the names in the folder of `path` are on the disk.
///
/// A file system that cannot do so has done what it can.
func synchronizeFolder(of path: String) throws(FileError) {
  let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
  let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw .system("open", folder) }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 || errno == EINVAL else { throw .system("sync", folder) }
}
