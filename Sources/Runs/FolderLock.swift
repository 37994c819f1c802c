// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
internal import Glibc

/// The right to write a run's folder, held by one process at a time and until the value is freed.
///
/// The kernel takes it back when the process ends, however it ends.
final class FolderLock: Sendable {
  private let descriptor: Int32

  /// Takes the lock of `folder` at once, or says who has it.
  init(folder: String) throws(RunError) {
    let path = folder + "/lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw .inaccessible(path: path, reason: lastSystemError())
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let error = errno
      let holder = Self.holder(of: descriptor)
      close(descriptor)
      guard error == EWOULDBLOCK else {
        throw .inaccessible(path: path, reason: String(cString: strerror(error)))
      }
      throw .inUse(path: folder, holder: holder)
    }
    // For the message above only: the lock is the kernel's, not the file's content.
    let name = Array("\(getpid())\n".utf8)
    if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, name, name.count, 0) }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  private static func holder(of descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 20)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    return Int32(text.prefix { $0 != "\n" }).map { "process \($0)" } ?? "another process"
  }
}

/// Makes `folder` and those above it, on the disk itself.
func makeFolder(_ folder: String) throws(RunError) {
  do {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  } catch {
    throw .inaccessible(path: folder, reason: lastSystemError())
  }
}

/// Waits until the names in `folder`, and its own name, are on the disk.
func synchronizeFolder(_ folder: String) throws(RunError) {
  for path in [folder, folder + "/.."] {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .inaccessible(path: path, reason: lastSystemError()) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else {
      throw .inaccessible(path: path, reason: lastSystemError())
    }
  }
}

private func lastSystemError() -> String { String(cString: strerror(errno)) }
