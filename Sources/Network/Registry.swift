// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import FoundationEssentials
internal import Glibc

/// The file in which an authority keeps who was invited, who has a certificate, and who was
/// turned away.
///
/// Commands and a running coordinator change it at the same time: each change reads, changes and
/// replaces the whole file while it holds a lock.
struct Registry: Sendable {
  private let file: DurableFile
  private let lockPath: String

  /// The registry in the authority's folder; there need not be one yet.
  init(folder: String) {
    file = DurableFile(path: "\(folder)/registry.json")
    lockPath = "\(folder)/registry.lock"
  }

  /// What tells two states of the file apart; nil when there is none.
  struct Stamp: Equatable, Sendable {
    private let inode: UInt
    private let seconds: Int
    private let nanoseconds: Int

    init?(path: String) {
      var status = Glibc.stat()
      guard stat(path, &status) == 0 else { return nil }
      inode = UInt(status.st_ino)
      seconds = status.st_mtim.tv_sec
      nanoseconds = status.st_mtim.tv_nsec
    }
  }

  var stamp: Stamp? { Stamp(path: file.path) }

  /// What is in it.
  func read() throws(NetworkError) -> RegistryContents {
    let bytes: [UInt8]?
    do {
      bytes = try file.read()
    } catch {
      throw .unreadable(path: file.path, reason: "\(error)")
    }
    guard let bytes else { return RegistryContents() }
    do {
      return try JSONDecoder().decode(RegistryContents.self, from: Data(bytes))
    } catch {
      throw .damagedRegistry(path: file.path, reason: reasonOfDecoding(error))
    }
  }

  /// Changes it: the change is on the disk when this returns, and is not made when `change`
  /// throws.
  func update<Result>(_ change: (inout RegistryContents) throws -> Result) throws -> Result {
    let descriptor = try lock()
    // Closing gives the lock back.
    defer { close(descriptor) }
    var contents = try read()
    let before = contents
    let result = try change(&contents)
    if contents != before { try write(contents) }
    return result
  }

  /// Changes it in a way that cannot fail.
  func change(_ change: (inout RegistryContents) -> Void) throws(NetworkError) {
    let descriptor = try lock()
    defer { close(descriptor) }
    var contents = try read()
    change(&contents)
    try write(contents)
  }

  private func write(_ contents: RegistryContents) throws(NetworkError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do {
      try file.write(Array(encoder.encode(contents)) + [UInt8(ascii: "\n")])
    } catch {
      throw .unwritable(path: file.path, reason: "\(error)")
    }
  }

  /// Waits until no other process and no other task changes the registry.
  private func lock() throws(NetworkError) -> Int32 {
    let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .unwritable(path: lockPath, reason: systemReason()) }
    while flock(descriptor, LOCK_EX) != 0 {
      guard errno == EINTR else {
        let reason = systemReason()
        close(descriptor)
        throw .unwritable(path: lockPath, reason: reason)
      }
    }
    return descriptor
  }
}

private func reasonOfDecoding(_ error: any Error) -> String {
  switch error {
  case DecodingError.dataCorrupted(let context), DecodingError.keyNotFound(_, let context),
    DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
    context.debugDescription
  default: "\(error)"
  }
}
