// SPDX-License-Identifier: Apache-2.0
import Digests
import Foundation
import Testing

@testable import Files

@Suite struct PayloadTests {
  private let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }

  @Test func aPayloadReadsTheSameFromMemoryAndFromAFile() throws {
    try withFolder { folder in
      let draft = try PayloadDraft(path: "\(folder)/one")
      for start in stride(from: 0, to: bytes.count, by: 300) {
        try draft.append(bytes[start..<min(bytes.count, start + 300)])
      }
      let stored = draft.finished()
      let held = Payload(bytes)
      #expect(stored == held && stored.byteCount == held.byteCount)
      #expect(stored.file != nil && held.file == nil)
      for range in [0..<0, 0..<1, 299..<301, 0..<1000, 999..<1000] {
        #expect(try stored.bytes(in: range) == held.bytes(in: range).map { $0 }[...])
      }
      #expect(try stored.bytes() == bytes)
      #expect(try stored.isIntact() && held.isIntact())
      var copy = [UInt8](repeating: 0, count: 10)
      try copy.withUnsafeMutableBytes { try stored.copy(from: 500, into: $0) }
      #expect(copy == Array(bytes[500..<510]))
    }
  }

  @Test func largePiecesAreWrittenAndHashedAsSmallOnesAre() throws {
    try withFolder { folder in
      let bytes = (0..<(3 << 20) + 17).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 13) }
      let draft = PayloadDraft(spillingTo: "\(folder)/one", beyond: 100)
      var rest = bytes[...]
      for count in [90, 20, (1 << 20) - 1, 1 << 20, 5, bytes.count] {
        try draft.append(rest.prefix(count))
        rest = rest.dropFirst(count)
      }
      let stored = draft.finished()
      #expect(stored == Payload(bytes) && stored.file != nil)
      #expect(try stored.bytes() == bytes)
    }
  }

  @Test func aDraftGoesOnWhereItWasCutOff() throws {
    try withFolder { folder in
      let path = "\(folder)/one"
      try PayloadDraft(path: path).append(bytes[..<700])
      let rest = try PayloadDraft(path: path, from: 600)
      #expect(rest.byteCount == 600)
      try rest.append(bytes[600...])
      #expect(rest.finished() == Payload(bytes))
      #expect(throws: FileError.missingPart(path: path, held: 1000, expected: 1001)) {
        try PayloadDraft(path: path, from: 1001)
      }
    }
  }

  @Test func aFileThatSomebodyTouchedIsNotIntact() throws {
    try withFolder { folder in
      let path = "\(folder)/one"
      let draft = try PayloadDraft(path: path)
      try draft.append(bytes[...])
      let payload = draft.finished()
      try OpenFile(writing: path).truncate(to: 999)
      #expect(throws: FileError.changed(path: path, reason: "it ends at byte 999")) {
        try payload.bytes()
      }
      try OpenFile(writing: path).truncate(to: 1000)
      #expect(try !payload.isIntact())
    }
  }
}

@Suite struct PayloadInboxTests {
  private let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 3) }

  @Test(arguments: [false, true])
  func anInboxSaysWhatIsHereAndGoesOn(onDisk: Bool) throws {
    try withFolder { folder in
      let inbox = onDisk ? PayloadInbox(folder: folder, sender: "ann") : PayloadInbox()
      let whole = Payload(bytes)
      #expect(try inbox.part() == nil)
      try inbox.draft(of: whole.digest, byteCount: large).append(bytes[..<400])
      #expect(try inbox.part() == PayloadInbox.Part(digest: whole.digest, byteCount: 400))
      let rest = try inbox.draft(of: whole.digest, byteCount: large, from: 400)
      try rest.append(bytes[400...])
      #expect(try inbox.finish(rest, as: whole.digest) == whole)
      // On the disk it waits for whoever takes it.
      #expect(
        try inbox.part()
          == (onDisk ? PayloadInbox.Part(digest: whole.digest, byteCount: 1000) : nil))
      guard onDisk else { return }
      let again = try inbox.draft(of: whole.digest, byteCount: large, from: 1000)
      #expect(try inbox.finish(again, as: whole.digest) == whole)
      #expect(throws: FileError.self) {
        try inbox.draft(of: whole.digest, byteCount: large, from: 999)
      }
    }
  }

  @Test(arguments: [false, true])
  func bytesOfAnotherDigestAreThrownAway(onDisk: Bool) throws {
    try withFolder { folder in
      let inbox = onDisk ? PayloadInbox(folder: folder, sender: "ann") : PayloadInbox()
      let draft = try inbox.draft(of: Digest(of: [1]), byteCount: large)
      try draft.append(bytes[...])
      #expect(try inbox.finish(draft, as: Digest(of: [1])) == nil)
      #expect(try inbox.part() == nil)
    }
  }

  @Test(arguments: [false, true])
  func aPartThatIsNotHereIsRefused(onDisk: Bool) throws {
    try withFolder { folder in
      let inbox = onDisk ? PayloadInbox(folder: folder, sender: "ann") : PayloadInbox()
      try inbox.draft(of: Digest(of: bytes), byteCount: large).append(bytes[..<400])
      #expect(throws: FileError.self) {
        try inbox.draft(of: Digest(of: bytes), byteCount: large, from: 401)
      }
      #expect(throws: FileError.self) {
        try inbox.draft(of: Digest(of: [1]), byteCount: large, from: 1)
      }
    }
  }

  @Test func whatArrivedOutlivesTheProcess() throws {
    try withFolder { folder in
      let digest = Digest(of: bytes)
      try PayloadInbox(folder: folder, sender: "ann").draft(of: digest, byteCount: large)
        .append(bytes[..<123])
      let other = PayloadInbox(folder: folder, sender: "bob")
      #expect(try other.part() == nil)
      let again = PayloadInbox(folder: folder, sender: "ann")
      #expect(try again.part() == PayloadInbox.Part(digest: digest, byteCount: 123))
    }
  }

  @Test func anotherPayloadTakesThePlaceOfTheLast() throws {
    try withFolder { folder in
      let inbox = PayloadInbox(folder: folder, sender: "ann")
      let first = try inbox.draft(of: Digest(of: [1]), byteCount: large)
      try first.append([1][...])
      let second = try inbox.draft(of: Digest(of: [2]), byteCount: large)
      #expect(throws: FileError.superseded) { try first.append([1][...]) }
      try second.append([2][...])
      #expect(try namesInFolder(folder) == ["ann~\(Digest(of: [2])).part"])
    }
  }
}

@Suite struct DurableFileTests {
  @Test func aFileIsReplacedWholeAndOnlyForItsOwner() throws {
    try withFolder { folder in
      let file = DurableFile(path: "\(folder)/state")
      #expect(try file.read() == nil)
      try file.write([1, 2, 3])
      try file.write([])
      #expect(try file.read() == [])
      try file.write { write throws(FileError) in
        for piece in [[4, 5], [], [6]] as [[UInt8]] {
          try withBytes(of: piece[...]) { (bytes) throws(FileError) in try write(bytes) }
        }
      }
      #expect(try file.read() == [4, 5, 6])
      #expect(try namesInFolder(folder) == ["state"])
      let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions]
      #expect(mode as? Int == 0o600)
    }
  }

  @Test func aFailureKeepsTheOldContentsAndLeavesNoDraft() throws {
    try withFolder { folder in
      let file = DurableFile(path: "\(folder)/state", mode: 0o644)
      try file.write([1])
      #expect(throws: FileError.superseded) {
        try file.write { (_) throws(FileError) in throw .superseded }
      }
      #expect(try file.read() == [1])
      #expect(try namesInFolder(folder) == ["state"])
      #expect(throws: FileError.self) { try DurableFile(path: "\(folder)/no/state").write([1]) }
    }
  }
}

/// More than fits into memory, as far as an inbox is concerned.
private let large = 1 << 20

@Suite struct FolderTests {
  @Test func foldersAreMadeUnlessTheyAreThere() throws {
    try withFolder { folder in
      try makeFolder("\(folder)/new")
      try makeFolder("\(folder)/new")
      #expect(try namesInFolder(folder) == ["new"])
      try DurableFile(path: "\(folder)/file").write([1])
      #expect(throws: FileError.self) { try makeFolder("\(folder)/file") }
      #expect(throws: FileError.self) { try makeFolder("\(folder)/a/b") }
      #expect(throws: FileError.self) { try namesInFolder("\(folder)/file") }
      try removeFile("\(folder)/file")
      try removeFile("\(folder)/file")
      #expect(try namesInFolder(folder) == ["new"])
    }
  }
}

func withFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID())").path
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try body(folder)
}
