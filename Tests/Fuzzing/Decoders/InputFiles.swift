// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
internal import Glibc

/// The line between two files of one input.
let nextFileLine = Array("\n===== next file =====\n".utf8)

/// The files that an input holds, one after another.
func files(of input: [UInt8], limit: Int) -> [[UInt8]] {
  var files: [[UInt8]] = []
  var start = 0
  var place = 0
  while place + nextFileLine.count <= input.count, files.count < limit - 1 {
    if input[place] == nextFileLine[0],
      input[place..<(place + nextFileLine.count)].elementsEqual(nextFileLine)
    {
      files.append(Array(input[start..<place]))
      place += nextFileLine.count
      start = place
    } else {
      place += 1
    }
  }
  files.append(Array(input[start...]))
  return files
}

/// Calls `body` with the path of a file with these bytes.
func withFile(_ bytes: [UInt8], _ body: (String) -> Void) {
  withFolder([("input", bytes)]) { body("\($0)/input") }
}

/// Calls `body` with the path of a folder with these files, which no one else may read.
func withFolder(_ files: [(name: String, bytes: [UInt8])], _ body: (String) -> Void) {
  var template = Array(
    "\(FileManager.default.temporaryDirectory.path)/tern-fuzz-XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { preconditionFailure("mkdtemp: errno \(errno)") }
  let folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  defer { rmdir(folder) }
  defer { for file in files { unlink("\(folder)/\(file.name)") } }
  for file in files {
    let descriptor = open("\(folder)/\(file.name)", O_WRONLY | O_CREAT | O_EXCL, 0o600)
    guard descriptor >= 0 else { preconditionFailure("open \(file.name): errno \(errno)") }
    defer { close(descriptor) }
    fill(descriptor, with: file.bytes)
  }
  body(folder)
}

private func fill(_ descriptor: Int32, with bytes: [UInt8]) {
  let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
  precondition(count == bytes.count, "\(count) of \(bytes.count) bytes written")
}

/// The result of `body`, or nil where it refuses its input.
///
/// The reason is put into words, as it would be for people: that must not fail either.
func accepted<Result>(_ body: () throws -> Result) -> Result? {
  do {
    return try body()
  } catch {
    precondition(!"\(error)".isEmpty, "an error without words")
    return nil
  }
}
