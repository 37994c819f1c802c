// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Checkpoints

@Suite struct ByteCursorTests {
  /// Calls `body` with a cursor over `bytes`.
  private func withCursor<Result>(
    _ bytes: [UInt8], _ body: (inout ByteCursor) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    try FileContents(bytes: bytes, named: "test").withBytes { (buffer) throws(CheckpointError) in
      var cursor = ByteCursor(buffer, path: "test")
      return try body(&cursor)
    }
  }

  @Test func integersAreLittleEndianAndMayLieAnywhere() throws {
    try withCursor([9, 0x34, 0x12, 0xFE, 0xFF, 0xFF, 0xFF]) { (cursor) throws(CheckpointError) in
      #expect(try cursor.integer(UInt8.self, "byte") == 9)
      #expect(try cursor.integer(UInt16.self, "short") == 0x1234)
      #expect(try cursor.integer(Int32.self, "word") == -2)
      #expect(cursor.remaining == 0 && cursor.position == 7)
    }
  }

  @Test func whatIsNotThereIsNamed() throws {
    try withCursor([1, 2, 3]) { (cursor) throws(CheckpointError) in
      #expect(
        throws: CheckpointError.truncated(path: "test", what: "word", needed: 4, available: 3)
      ) { try cursor.integer(UInt32.self, "word") }
      // A failed read leaves the cursor where it was.
      #expect(try cursor.integer(UInt16.self, "short") == 0x0201)
      #expect(throws: CheckpointError.self) { try cursor.skip(.max, "all") }
      #expect(throws: CheckpointError.self) { try cursor.skip(2, "two") }
      #expect(try cursor.skip(1, "one") == 2..<3)
      #expect(try cursor.skip(0, "none") == 3..<3)
    }
  }

  @Test func textsHaveTheirLengthInFront() throws {
    let text = bytes(UInt64(3)) + Array("añ".utf8)
    let found = try withCursor(text) { (cursor) throws(CheckpointError) in try cursor.text("t") }
    #expect(found == "añ")
    for length in 0..<text.count {
      #expect(throws: CheckpointError.self) {
        try withCursor(Array(text[..<length])) { (cursor) throws(CheckpointError) in
          try cursor.text("t")
        }
      }
    }
    #expect(throws: CheckpointError.malformed(path: "test", what: "t at byte 8 is not UTF-8")) {
      try withCursor(bytes(UInt64(1)) + [0x80]) { (cursor) throws(CheckpointError) in
        try cursor.text("t")
      }
    }
  }
}
