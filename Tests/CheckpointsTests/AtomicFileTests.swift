// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Checkpoints

@Suite struct AtomicFileTests {
  @Test func chunksAreWrittenInOrder() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/file"
    try AtomicFile.write(to: path) { (write) throws(CheckpointError) in
      for chunk in [[1, 2], [], [3]] as [[UInt8]] {
        try FileContents(bytes: chunk, named: path).withBytes(write)
      }
    }
    #expect(try fileBytes(path) == [1, 2, 3])
    #expect(try folder.names() == ["file"])
  }

  @Test func aFileIsReplacedWhole() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a long text that was there before", to: "file")
    let mapped = try MappedFile(path: path)
    try AtomicFile.write(Array("short".utf8), to: path)
    #expect(try fileBytes(path) == Array("short".utf8))
    // Whoever had the old file mapped still sees all of it.
    mapped.withBytes { #expect($0.count == 33 && $0[0] == UInt8(ascii: "a")) }
  }

  @Test func aFailureKeepsTheOldFileAndLeavesNoOther() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("old", to: "file")
    let failure = CheckpointError.missing(path: "x", what: "y")
    #expect(throws: failure) {
      try AtomicFile.write(to: path) { (write) throws(CheckpointError) in
        try FileContents(bytes: [1], named: path).withBytes(write)
        throw failure
      }
    }
    #expect(try fileBytes(path) == Array("old".utf8))
    #expect(try folder.names() == ["file"])
  }

  @Test func othersMayReadWhatIsWritten() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/file"
    try AtomicFile.write([1], to: path)
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o644)
  }

  @Test func foldersAreMadeUnlessTheyAreThere() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/new"
    try AtomicFile.makeFolder(path)
    try AtomicFile.makeFolder(path)
    #expect(FileContents.isFolder(path))
    let file = try folder.write("x", to: "file")
    #expect(throws: CheckpointError.self) { try AtomicFile.makeFolder(file) }
    #expect(throws: CheckpointError.self) { try AtomicFile.makeFolder(path + "/a/b") }
  }
}
