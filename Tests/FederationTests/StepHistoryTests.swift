// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Federation

struct StepHistoryTests {
  private struct Header: Codable {
    var hasState: Bool
    var recordByteCounts: [Int]
  }

  private func history(
    hasState: Bool, _ counts: [Int], parts: [[UInt8]]
  ) throws -> StepHistory {
    try StepHistory(
      decoding: Archive(
        header: Header(hasState: hasState, recordByteCounts: counts), parts: parts
      ).encoded())
  }

  @Test func whatIsWrittenIsReadBack() throws {
    for (state, records) in [
      (nil, [[1, 2], [3]]), ([7, 8], []), ([7], [[1]]),
    ] as [([UInt8]?, [[UInt8]])] {
      let read = try StepHistory(
        decoding: StepHistory(state: state, records: records).encoded())
      #expect(read.state == state && read.records == records)
    }
  }

  @Test func oneThatContradictsItselfIsRefused() {
    let contradictions: [(Bool, [Int], [[UInt8]])] = [
      (false, [1], [[]]), (false, [0], [[]]), (false, [-1, 2], [[1]]), (false, [2], [[1]]),
      (false, [1], [[1, 2]]), (false, [.max, .max], [[1]]), (true, [1], [[1]]),
      (false, [1], [[1], [2]]), (false, [], []),
    ]
    for (hasState, counts, parts) in contradictions {
      #expect(throws: FederationError.self, "\(counts) of \(parts)") {
        try history(hasState: hasState, counts, parts: parts)
      }
    }
  }

  @Test func everyTruncationIsRefused() throws {
    let bytes = try StepHistory(state: [1, 2, 3], records: [[4, 5]]).encoded()
    for count in bytes.indices {
      #expect(throws: FederationError.self) {
        try StepHistory(decoding: Array(bytes.prefix(count)))
      }
    }
  }
}
