// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
internal import Glibc

/// A file whose contents are replaced as a whole, and are on the disk when `write` returns.
public struct DurableFile: Sendable {
  /// Where it is.
  public let path: String

  /// The file at `path`, which need not exist yet.
  public init(path: String) { self.path = path }

  /// The contents; nil when there is no file.
  public func read() throws -> [UInt8]? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return Array(try Data(contentsOf: URL(filePath: path)))
  }

  /// Replaces the contents: after a crash the file holds the old ones or these.
  public func write(_ bytes: [UInt8]) throws {
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("open") }
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Glibc.write(descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure("write") }
      written += count
    }
    guard fsync(descriptor) == 0 else { throw failure("sync") }
    guard rename(temporary, path) == 0 else { throw failure("rename") }
    try syncFolder()
  }

  private func syncFolder() throws {
    let folder = URL(filePath: path).deletingLastPathComponent().path
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open the folder of") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("sync the folder of") }
  }

  private func failure(_ verb: String) -> FederationError {
    .file("cannot \(verb) \(path): \(String(cString: strerror(errno)))")
  }
}
