// SPDX-License-Identifier: Apache-2.0
internal import Glibc

// The unsafe part of this module: pointers into the map live only inside `withBytes`, and every
// reader checks its range against `count` first.

/// A file in memory, read-only, for as long as this object lives.
///
/// A file that someone else truncates while it is mapped kills the process, as it does everywhere;
/// checkpoints are replaced by renaming, never rewritten in place.
///
/// Unchecked Sendable: base and count never change after `init`, the pages are mapped
/// `PROT_READ`, so no one can write through them, and they are unmapped in `deinit` only, when no
/// thread can hold a reference any more.
final class MappedFile: @unchecked Sendable {
  /// The number of bytes.
  let count: Int
  private let base: UnsafeMutableRawPointer?

  /// Maps the regular file at `path`.
  init(path: String) throws(CheckpointError) {
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemReason()) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .unreadable(path: path, reason: systemReason())
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadable(path: path, reason: "not a regular file")
    }
    count = Int(status.st_size)
    guard count > 0 else {
      base = nil
      return
    }
    guard let map = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), map != MAP_FAILED
    else { throw .unreadable(path: path, reason: systemReason()) }
    base = map
  }

  deinit {
    if let base { munmap(base, count) }
  }

  /// Takes the whole pages in `range` out of this process; they are mapped anew when they are read.
  ///
  /// - Precondition: the range lies within the file.
  func releasePages(in range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count)")
    let page = sysconf(Int32(_SC_PAGESIZE))
    let first = (range.lowerBound + page - 1) / page * page
    let end = range.upperBound / page * page
    guard let base, first < end else { return }
    madvise(base + first, end - first, MADV_DONTNEED)
  }

  /// Calls `body` with all bytes; the buffer must not outlive the call.
  func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(self) {} }
    return try body(UnsafeRawBufferPointer(start: base, count: count))
  }
}

/// The system's words for the last failed call.
func systemReason() -> String { String(cString: strerror(errno)) }
