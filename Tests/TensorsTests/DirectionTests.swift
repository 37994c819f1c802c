// SPDX-License-Identifier: Apache-2.0
import Foundation
import Randomness
import Testing

@testable import Tensors

struct DirectionTests {
  /// Tensors that begin and end within words and blocks.
  private let layout = ParameterLayout([
    (name: "a", shape: [3]), (name: "b", shape: [129, 3]), (name: "c", shape: [1]),
    (name: "d", shape: [5_000]), (name: "e", shape: [128]),
  ])

  private func values(_ direction: Direction, times factor: Float = 1) -> [Float] {
    ParameterVector(zerosOf: layout).adding(direction, times: factor).values
  }

  private func vector(_ label: String) -> ParameterVector {
    ParameterVector(layout: layout, values: noise(layout.count, label))
  }

  /// The known answers of Random123 1.14, `kat_vectors`, philox4x32 10, as signs.
  @Test(
    arguments: [
      (
        UInt64(0), [UInt32](repeating: 0, count: 4),
        [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]
      ),
      (
        .max, [UInt32](repeating: .max, count: 4),
        [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
      ),
      (
        0x299F_31D0_A409_3822, [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
        [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
      ),
    ] as [(UInt64, [UInt32], [UInt32])])
  func signsAreTheBitsOfTheKnownAnswers(key: UInt64, counter: [UInt32], words: [UInt32]) {
    let direction = Directions(key: key).direction(step: counter[3], query: counter[2])
    var signs = [Float](repeating: 0, count: 128)
    let part = TensorPart(
      tensor: Int(counter[1]), first: 128 * Int(counter[0]), count: 128,
      origin: -128 * Int(counter[0]))
    signs.withUnsafeMutableBufferPointer { signs in
      guard let start = signs.baseAddress else { return }
      Kernels.add(direction, of: part, times: 1, to: start)
    }
    for (index, sign) in signs.enumerated() {
      #expect(sign == (words[index / 32] >> UInt32(index % 32) & 1 == 1 ? -1 : 1))
    }
  }

  @Test(arguments: Directions.Distribution.allCases)
  func directionsHaveTheBitsOfThePlainVersion(distribution: Directions.Distribution) {
    let addresses: [(UInt32, UInt32)] = [(0, 0), (1, 0), (0, 1), (7, 3), (.max, .max)]
    for (step, query) in addresses {
      let direction = Directions(of: Seed(5), distribution: distribution)
        .direction(step: step, query: query)
      let plain = Plain.values(of: direction, in: layout)
      #expect(values(direction) == plain)
      let start = vector("start")
      let factor: Float = -0.3e-3
      let expected = zip(start.values, plain.map { factor * $0 }).map { $0 + $1 }
      #expect(start.adding(direction, times: factor).values == expected)
    }
  }

  @Test(arguments: Directions.Distribution.allCases)
  func anyRangeAloneIsThePartOfTheWhole(distribution: Directions.Distribution) {
    let direction = Directions(of: Seed(0), distribution: distribution)
      .direction(step: 2, query: 9)
    let start = vector("start")
    let whole = start.adding(direction, times: 0.01)
    var stream = RandomStream(Seed(1))
    for _ in 0..<200 {
      let first = stream.integer(below: layout.count + 1)
      let range = first..<(first + stream.integer(below: layout.count - first + 1))
      var part = start
      part.add(direction, times: 0.01, in: range)
      #expect(part.values[range] == whole.values[range])
      #expect(part.values[..<first] == start.values[..<first])
      #expect(part.values[range.upperBound...] == start.values[range.upperBound...])
    }
    var pieces = start
    for first in stride(from: 0, to: layout.count, by: 37) {
      pieces.add(direction, times: 0.01, in: first..<min(layout.count, first + 37))
    }
    #expect(pieces == whole)
  }

  /// Pieces end within tensors, and within a generator's blocks, but for the last of a tensor.
  @Test(arguments: Directions.Distribution.allCases)
  func manyAtOnceAreAsManyOneAfterTheOther(distribution: Directions.Distribution) {
    let layout = ParameterLayout([
      (name: "a", shape: [3]), (name: "b", shape: [20_001]), (name: "c", shape: [700]),
      (name: "d", shape: [8192, 2]),
    ])
    let selection = TensorSelection(of: layout) { $0.name != "c" }
    let directions = Directions(of: Seed(6), distribution: distribution)
    let terms = (0..<UInt32(40)).map { number -> ScaledDirection in
      let direction = directions.direction(step: number / 8, query: number % 8)
      return ScaledDirection(direction, times: 0.01 * (Float(number) - 20))
    }
    let start = ParameterVector(layout: layout, values: noise(layout.count, "start"))
    for selection in [nil, selection] {
      var (single, together) = (start, start)
      for term in terms { single.add(term.direction, times: term.factor, to: selection) }
      together.add(terms, to: selection)
      #expect(together == single && together != start)
    }
  }

  @Test func tensorsThatAreNotSelectedStayAsTheyAre() {
    let selection = TensorSelection(of: layout) { ["b", "d"].contains($0.name) }
    #expect(selection.isSelected == [false, true, false, true, false])
    let direction = Directions(of: Seed(3)).direction(step: 0, query: 0)
    let start = vector("start")
    let (whole, some) = (
      start.adding(direction, times: 0.1), start.adding(direction, times: 0.1, to: selection)
    )
    for entry in layout.entries {
      let source = selection.isSelected[layout.entries.firstIndex(of: entry) ?? 0] ? whole : start
      #expect(some.values[entry.range] == source.values[entry.range], "\(entry.name)")
    }
  }

  /// The columns have the values that a tensor of nothing else has.
  @Test(arguments: Directions.Distribution.allCases)
  func ofSomeColumnsTheseAloneCount(distribution: Directions.Distribution) {
    let layout = ParameterLayout([
      (name: "a", shape: [3, 8]), (name: "b", shape: [4001, 8]), (name: "c", shape: [5, 8]),
    ])
    let start = ParameterVector(layout: layout, values: noise(layout.count, "columns"))
    let direction = Directions(of: Seed(4), distribution: distribution).direction(step: 3, query: 2)
    for columns in [0..<8, 0..<3, 3..<6, 6..<8] {
      let selection = TensorSelection(isSelected: [true, true, false], columns: columns)
      let found = start.adding(direction, times: -0.3e-3, to: selection)
      let narrow = ParameterLayout(
        layout.entries.map { ($0.name, [$0.shape[0], columns.count]) })
      let part = Plain.values(of: direction, in: narrow)
      var expected = start.values
      for (entry, narrow) in zip(layout.entries, narrow.entries).prefix(2) {
        for index in 0..<narrow.count {
          let (row, column) = index.quotientAndRemainder(dividingBy: columns.count)
          let target = entry.offset + row * 8 + columns.lowerBound + column
          expected[target] += -0.3e-3 * part[narrow.offset + index]
        }
      }
      #expect(found.values == expected && found != start)
    }
    let all = TensorSelection(of: layout) { $0.name != "c" }
    let whole = TensorSelection(isSelected: all.isSelected, columns: 0..<8)
    #expect(
      start.adding(direction, times: 0.1, to: whole)
        == start.adding(direction, times: 0.1, to: all))
  }

  @Test func aLayoutThatEndsEarlierHasTheBeginningOfTheDirection() {
    let shallow = ParameterLayout([(name: "a", shape: [3]), (name: "b", shape: [129, 3])])
    let direction = Directions(of: Seed(3)).direction(step: 4, query: 1)
    let found = ParameterVector(zerosOf: shallow).adding(direction, times: 1)
    #expect(found.values[...] == values(direction)[..<shallow.count])
  }

  @Test func everyAddressHasADirectionOfItsOwn() {
    let layout = ParameterLayout((0..<8).map { (name: "\($0)", shape: [64]) })
    var seen: Set<[Float]> = []
    var count = 0
    for seed in [0, 1, UInt64.max] {
      for step in [0, 1, 17, UInt32.max] {
        for query in [0, 1, 17, UInt32.max] {
          let direction = Directions(of: Seed(seed)).direction(step: step, query: query)
          let values = ParameterVector(zerosOf: layout).adding(direction, times: 1).values
          for entry in layout.entries { seen.insert(Array(values[entry.range])) }
          count += layout.entries.count
        }
      }
    }
    #expect(seen.count == count)
  }

  @Test func takingADirectionBackIsExactOnZerosAndSignsAreEvenlySpread() {
    let layout = ParameterLayout([(name: "a", shape: [1 << 20])])
    let direction = Directions(of: Seed(1)).direction(step: 0, query: 0)
    var vector = ParameterVector(zerosOf: layout).adding(direction, times: 0.3)
    #expect(vector.values.allSatisfy { abs($0) == 0.3 })
    let negatives = vector.values.count { $0 < 0 }
    // Five deviations of 512.
    #expect(abs(negatives - 1 << 19) < 5 * 512)
    vector.add(direction, times: -0.3)
    #expect(vector.isZero)
  }

  @Test func normalDeviatesHaveTheMomentsAndTheTailsOfTheDistribution() {
    let magnitudes = (UInt32(0)..<1 << 23).filter { $0 % 64 == 31 || $0 < 64 }
    let deviates = Kernels.normals(of: magnitudes)
    for (magnitude, z) in zip(magnitudes, deviates) {
      let probability = Double(2 * magnitude + 1) * 0x1p-24
      #expect(abs(erfc(Double(z) / 2.0.squareRoot()) / probability - 1) < 1e-5)
    }
    #expect(Kernels.normals(of: magnitudes.map { $0 | 1 << 31 }) == deviates.map { -$0 })
    #expect(deviates.max() == deviates[0] && abs(deviates[0] - 5.42) < 0.005)
    // Of equally likely values, those in the middle of equal parts: sums over them are integrals.
    let evenly = zip(magnitudes, deviates).filter { $0.0 % 64 == 31 }.map { Double($0.1) }
    let second = evenly.reduce(0) { $0 + $1 * $1 } / Double(evenly.count)
    let fourth = evenly.reduce(0) { $0 + $1 * $1 * $1 * $1 } / Double(evenly.count)
    #expect(abs(second - 1) < 1e-3 && abs(fourth - 3) < 2e-2)
  }

  @Test func gaussianDirectionsHaveMeanZeroAndVarianceOne() {
    let layout = ParameterLayout([(name: "a", shape: [1 << 18])])
    let direction = Directions(of: Seed(8), distribution: .gaussian).direction(step: 1, query: 2)
    let vector = ParameterVector(zerosOf: layout).adding(direction, times: 1)
    let mean = vector.values.reduce(0.0) { $0 + Double($1) } / Double(layout.count)
    // Five deviations of 2^-9, and of sqrt(2) 2^-9.
    #expect(abs(mean) < 5 * 0x1p-9)
    #expect(abs(vector.norm * vector.norm / Double(layout.count) - 1) < 5 * 1.42 * 0x1p-9)
  }

  /// Frozen: other bits than these would end every run that is going on.
  @Test func theBitsAreThoseOfTheContract() {
    let layout = ParameterLayout([(name: "a", shape: [8]), (name: "b", shape: [4])])
    func values(_ distribution: Directions.Distribution) -> [Float] {
      let direction = Directions(of: Seed(42), distribution: distribution)
        .direction(step: 3, query: 5)
      return ParameterVector(zerosOf: layout).adding(direction, times: 1).values
    }
    #expect(Directions(of: Seed(42)).key == 0xD239_8F33_A46B_164D)
    #expect(values(.rademacher) == [-1, -1, 1, 1, -1, 1, -1, -1, 1, -1, -1, -1])
    #expect(
      values(.gaussian).map(\.bitPattern) == [
        0xBE21_54BA, 0x3F81_CCFF, 0x4006_6A43, 0xBF08_CCCD, 0x3F55_393B, 0xBEB9_F125,
        0x3ECF_6EE8, 0xC024_F7BC, 0x3D58_53D7, 0x3F37_410F, 0x3F11_EE3E, 0x3F25_8769,
      ])
  }
}
