// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Glibc

/// The reason that `errno` gives.
func systemReason() -> String { String(cString: strerror(errno)) }

/// The bytes of a small file.
///
/// - Parameter isSecret: refuse a file that anyone but its owner may read or write.
func readSmallFile(_ path: String, isSecret: Bool = false) throws(NetworkError) -> [UInt8] {
  let limit = 1 << 20
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemReason()) }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0 else {
    throw .unreadable(path: path, reason: systemReason())
  }
  guard status.st_mode & S_IFMT == S_IFREG else {
    throw .unreadable(path: path, reason: "not a file")
  }
  if isSecret, status.st_mode & 0o077 != 0 {
    throw .exposedKey(path: path, mode: String(status.st_mode & 0o777, radix: 8))
  }
  guard status.st_size <= limit else {
    throw .unreadable(path: path, reason: "\(status.st_size) bytes, \(limit) at most")
  }
  return try readAll(descriptor, path: path, limit: limit)
}

private func readAll(
  _ descriptor: Int32, path: String, limit: Int
) throws(NetworkError) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: limit)
  var count = 0
  while count < limit {
    let got = bytes.withUnsafeMutableBytes { buffer in
      read(descriptor, buffer.baseAddress.map { $0 + count }, limit - count)
    }
    guard got >= 0 else {
      if errno == EINTR { continue }
      throw .unreadable(path: path, reason: systemReason())
    }
    if got == 0 { break }
    count += got
  }
  return Array(bytes.prefix(count))
}

/// A file that is to be written.
struct NewFile {
  let name: String
  let bytes: [UInt8]
  var isSecret = false
}

/// Replaces the file at `path`, or makes it, unless told otherwise for its owner only: after a crash
/// it holds the old bytes or these.
func replaceFile(
  _ path: String, with bytes: [UInt8], mode: UInt32 = 0o600
) throws(NetworkError) {
  do {
    try DurableFile(path: path, mode: mode).write(bytes)
  } catch {
    throw .unwritable(path: path, reason: error.reason)
  }
}

/// Makes the folder `path` with `files` in it: all of it or nothing, never over existing files.
///
/// The files are written and synced in a folder beside it, which is then renamed.
func writeFolder(_ path: String, files: [NewFile]) throws(NetworkError) {
  let path = withoutTrailingSlashes(path)
  try makeFolders(above: path)
  if !isMissingOrEmpty(path) { throw .alreadyExists(path: path) }
  var template = Array("\(path).new-XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw .unwritable(path: path, reason: systemReason()) }
  let draft = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  do throws(NetworkError) {
    for file in files {
      try replaceFile(
        "\(draft)/\(file.name)", with: file.bytes, mode: file.isSecret ? 0o600 : 0o644)
    }
    guard chmod(draft, 0o755) == 0 else {
      throw .unwritable(path: draft, reason: systemReason())
    }
    // Onto an empty folder this succeeds, onto one with files it fails.
    guard rename(draft, path) == 0 else {
      let exists = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
      throw exists ? .alreadyExists(path: path) : .unwritable(path: path, reason: systemReason())
    }
  } catch {
    for file in files { unlink("\(draft)/\(file.name)") }
    rmdir(draft)
    throw error
  }
}

private func withoutTrailingSlashes(_ path: String) -> String {
  var path = path[...]
  while path.count > 1, path.last == "/" { path.removeLast() }
  return String(path)
}

func makeFolders(above path: String) throws(NetworkError) {
  var end = path.startIndex
  while let slash = path[end...].dropFirst().firstIndex(of: "/") {
    let parent = String(path[..<slash])
    guard mkdir(parent, 0o755) == 0 || errno == EEXIST else {
      throw .unwritable(path: parent, reason: systemReason())
    }
    end = slash
  }
}

private func isMissingOrEmpty(_ path: String) -> Bool {
  guard access(path, F_OK) == 0 else { return true }
  return (try? Files.namesInFolder(path))?.isEmpty ?? false
}
