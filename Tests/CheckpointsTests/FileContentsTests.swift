// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Checkpoints

@Suite struct FileContentsTests {
  @Test func mappedAndGivenBytesAreTheSame() throws {
    let folder = try TemporaryFolder()
    let content = pseudoRandomBytes(10_000, salt: 1)
    let mapped = try FileContents(path: folder.write(content, to: "file"))
    let given = FileContents(bytes: content, named: "given")
    #expect(mapped.count == 10_000 && given.count == 10_000)
    #expect(mapped.withBytes { Array($0) } == content)
    #expect(given.withBytes { Array($0) } == content)
    #expect(mapped.withBytes(in: 100..<200) { Array($0) } == Array(content[100..<200]))
    #expect(given.withBytes(in: 9_999..<10_000) { $0[0] } == content[9_999])
    #expect(given.withBytes(in: 7..<7) { $0.count } == 0)
  }

  @Test func aMapOutlivesItsFilesName() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("still here", to: "file")
    let contents = try FileContents(path: path)
    try FileManager.default.removeItem(atPath: path)
    #expect(contents.withBytes { Array($0) } == Array("still here".utf8))
  }

  @Test func emptyFilesHaveNoBytes() throws {
    let folder = try TemporaryFolder()
    let contents = try FileContents(path: folder.write("", to: "empty"))
    #expect(contents.count == 0)
    #expect(contents.withBytes { $0.count } == 0)
  }

  @Test func smallFilesAreReadWholeAndLargeOnesRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write([1, 2, 3], to: "file")
    #expect(try FileContents.read(path, limit: 3) == [1, 2, 3])
    #expect(
      throws: CheckpointError.malformed(path: path, what: "3 bytes, at most 2 are read")
    ) { try FileContents.read(path, limit: 2) }
  }

  @Test func whatIsNoFileIsRefusedAtOnce() throws {
    let folder = try TemporaryFolder()
    let pipe = folder.path + "/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [folder.path, pipe, "/dev/null"] {
      #expect(throws: CheckpointError.unreadable(path: path, reason: "not a regular file")) {
        try FileContents(path: path)
      }
    }
    #expect(
      throws: CheckpointError.unreadable(path: "/no/file", reason: "No such file or directory")
    ) { try FileContents(path: "/no/file") }
  }

  @Test func filesAndFoldersAreToldApart() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("x", to: "file")
    #expect(FileContents.exists(path) && FileContents.exists(folder.path))
    #expect(FileContents.isFolder(folder.path) && !FileContents.isFolder(path))
    #expect(!FileContents.exists(path + "x") && !FileContents.isFolder(path + "x"))
  }
}
