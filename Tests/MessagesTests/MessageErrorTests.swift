// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Messages
import Testing

@Suite struct MessageErrorTests {
  @Test func everyErrorIsOneLineWithItsNumbers() {
    let errors: [(MessageError, [String])] = [
      (.frameTooLong(type: 7, byteCount: 91, limit: 90), ["7", "91", "90"]),
      (.unexpectedFrame(type: 77), ["77"]),
      (.malformed(message: "hello"), ["hello"]),
      (.invalidField(message: "hello", field: "cores", problem: "is 0"), ["hello.cores is 0"]),
      (.payloadTooLong(byteCount: 101, limit: 100), ["101", "100"]),
      (.unannouncedChunk, ["chunk"]),
      (.emptyChunk, ["chunk"]),
      (.interruptedPayload(type: 5), ["5"]),
      (.misplacedChunk(offset: 12, expected: 13), ["12", "13"]),
      (.chunkPastEnd(end: 12, total: 11), ["12", "11"]),
      (.damagedPayload(digest(1)), [digest(1).description]),
      (.storage(.full(path: "/there")), ["/there", "room"]),
    ]
    for (error, parts) in errors {
      for part in parts { #expect(error.description.contains(part), "\(error)") }
      #expect(!error.description.contains("\n"))
    }
  }
}
