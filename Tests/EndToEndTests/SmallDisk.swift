// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// A file system in memory at a folder, for as long as this lives; needs root.
final class SmallDisk {
  /// Whether this process may mount file systems.
  static let isPossible: Bool = {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID())").path
    guard geteuid() == 0,
      (try? FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)) != nil
    else { return false }
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return (try? SmallDisk(at: folder, byteCount: 1 << 20)) != nil
  }()

  let folder: String
  private var isMounted = true

  /// Mounts one of `byteCount` bytes at `folder`, which is made if need be.
  init(at folder: String, byteCount: Int) throws {
    self.folder = folder
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    guard mount("tmpfs", folder, "tmpfs", 0, "size=\(byteCount)") == 0 else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
  }

  deinit { unmount() }

  func unmount() {
    guard isMounted else { return }
    isMounted = false
    umount2(folder, Int32(MNT_DETACH))
  }

  /// Makes it read-only.
  func freeze() throws {
    guard mount("tmpfs", folder, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0
    else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
  }

  /// Takes all the room that is left.
  func fill() throws {
    let descriptor = open("\(folder)/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    defer { close(descriptor) }
    let zeros = [UInt8](repeating: 0, count: 4096)
    while write(descriptor, zeros, zeros.count) > 0 {}
  }

  func makeRoom() throws { try FileManager.default.removeItem(atPath: "\(folder)/filler") }
}
