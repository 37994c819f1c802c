// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Foundation

/// The SHA-256 of the bytes of the file at `path`; nil for what can be read only once, as a pipe.
func digestOfFile(at path: String) throws -> Digest? {
  do {
    let place = URL(filePath: path).resolvingSymlinksInPath()
    let kind = try FileManager.default.attributesOfItem(atPath: place.path)[.type]
    guard kind as? FileAttributeType == .typeRegular else { return nil }
    let file = try FileHandle(forReadingFrom: place)
    defer { try? file.close() }
    var hasher = DigestHasher()
    while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty {
      hasher.update(Array(piece))
    }
    return hasher.finalized()
  } catch {
    throw InputError("cannot read the data file \(path); give a file of JSON lines")
  }
}
