// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

@Suite struct BytePairEncoderTests {
  /// An encoder of the letters a to d, and merges of random pairs.
  private func randomEncoder(_ generator: inout SplitMix) throws -> BytePairEncoder {
    var reader = ModelReader()
    var tokens = ["a", "b", "c", "d"]
    for (id, token) in tokens.enumerated() { try reader.addToken(token, id: id, path: "") }
    var merges: [String] = []
    while tokens.count < 60 {
      let left = tokens[Int(generator.next() % UInt64(tokens.count))]
      let right = tokens[Int(generator.next() % UInt64(tokens.count))]
      guard left.count + right.count < 9, !tokens.contains(left + right) else { continue }
      try reader.addToken(left + right, id: tokens.count, path: "")
      tokens.append(left + right)
      merges.append("\(left) \(right)")
    }
    reader.beginMerges(count: merges.count)
    for merge in merges { try reader.addMerge(merge, path: "") }
    return reader.encoder(prefersWholePieces: false, unknown: nil)
  }

  /// Algorithm 1 of the paper, as plainly as can be.
  private func mergedPlainly(_ tokens: [Int32], _ encoder: BytePairEncoder) -> [Int32] {
    var tokens = tokens
    while true {
      let candidates = tokens.indices.dropLast().compactMap { place in
        encoder.merges.merge(tokens[place], tokens[place + 1]).map { (place, $0) }
      }
      guard let best = candidates.min(by: { $0.1.rank < $1.1.rank }) else { return tokens }
      tokens.replaceSubrange(best.0...(best.0 + 1), with: [best.1.result])
    }
  }

  @Test func scanAndHeapGiveTheSame() throws {
    var generator = SplitMix(state: 3)
    for _ in 0..<40 {
      let encoder = try randomEncoder(&generator)
      for length in [0, 1, 2, 3, 7, 30, 60] {
        let tokens = (0..<length).map { _ in Int32(generator.next() % 4) }
        let expected = mergedPlainly(tokens, encoder)
        var scanned = tokens
        var ranks: [Int32] = [1, 2]
        encoder.mergeByScanning(&scanned, ranks: &ranks)
        #expect(scanned == expected)
        var heaped = tokens
        encoder.mergeOverHeap(&heaped)
        #expect(heaped == expected)
      }
    }
  }

  @Test func ofEqualRanksTheLeftmostGoesFirst() throws {
    var reader = ModelReader()
    for (id, token) in ["a", "aa"].enumerated() { try reader.addToken(token, id: id, path: "") }
    reader.beginMerges(count: 1)
    try reader.addMerge("a", "a", path: "")
    let encoder = reader.encoder(prefersWholePieces: false, unknown: nil)
    for length in [2, 3, BytePairEncoder.scanLimit, BytePairEncoder.scanLimit + 1, 1001] {
      var ids: [Int32] = []
      var workspace = BytePairEncoder.Workspace()
      Array(repeating: UInt8(ascii: "a"), count: length).withUnsafeBufferPointer {
        encoder.encode($0, in: &workspace, to: &ids)
      }
      #expect(ids == Array(repeating: 1, count: length / 2) + (length % 2 == 1 ? [0] : []))
    }
  }

  @Test func theLastOfRepeatedMergesCounts() {
    var table = MergeTable(capacity: 3)
    table.insert(1, 2, MergeTable.Merge(rank: 0, result: 5))
    table.insert(2, 1, MergeTable.Merge(rank: 1, result: 6))
    table.insert(1, 2, MergeTable.Merge(rank: 2, result: 7))
    #expect(table.merge(1, 2) == MergeTable.Merge(rank: 2, result: 7))
    #expect(table.merge(2, 1) == MergeTable.Merge(rank: 1, result: 6))
    #expect(table.merge(1, 1) == nil)
  }

  @Test func aFullTableFindsEverything() {
    var table = MergeTable(capacity: 3000)
    for index in 0..<3000 as Range<Int32> {
      table.insert(index, index &* 3, MergeTable.Merge(rank: index, result: index + 1))
    }
    for index in 0..<3000 as Range<Int32> {
      #expect(table.merge(index, index &* 3)?.rank == index)
      #expect(table.merge(index, index &* 3 + 1) == nil)
    }
  }

  @Test func theHeapSorts() {
    var generator = SplitMix(state: 5)
    let numbers = (0..<500).map { _ in generator.next() % 100 }
    var heap = MinimumHeap()
    for number in numbers { heap.push(number) }
    var sorted: [UInt64] = []
    while let number = heap.popMinimum() { sorted.append(number) }
    #expect(sorted == numbers.sorted())
    #expect(heap.popMinimum() == nil)
  }

  @Test func theChainMergesNeighbours() {
    var chain = TokenChain([10, 11, 12, 13])
    #expect(chain.merge(at: 1, into: 20) == 0)
    #expect(chain.tokens() == [10, 20, 13])
    #expect(chain.pair(at: 2) == nil)
    #expect(chain.merge(at: 1, into: 30) == 0)
    #expect(chain.pair(at: 1) == nil)
    #expect(chain.merge(at: 0, into: 40) == nil)
    #expect(chain.tokens() == [40])
  }
}
