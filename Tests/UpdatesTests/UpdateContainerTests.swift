// SPDX-License-Identifier: Apache-2.0
import Digests
import Tensors
import Testing

@testable import Updates

@Suite struct UpdateContainerTests {
  private let layout = ParameterLayout([("a", [2, 3]), ("b", [5])])

  @Test func sectionsLieWhereTheirHeadersSay() throws {
    let payload = try UpdateCodec.dense.encode(randomVector(layout, seed: 1)).payload
    let container = try UpdateContainer(payload)
    #expect(container.kind == .dense)
    #expect(container.layoutDigest == layout.digest)
    #expect(
      container.sections == [
        .init(elementCount: 6, nonZeroCount: 6, contents: 60..<84),
        .init(elementCount: 5, nonZeroCount: 5, contents: 104..<124),
      ])
    #expect(throws: Never.self) { try container.check(against: layout) }
  }

  @Test func anEmptyLayoutIsAHeader() throws {
    let empty = ParameterLayout([])
    let payload = UpdateContainer.header(.ternary, layout: empty)
    #expect(payload.count == UpdateContainer.headerByteCount)
    #expect(try UpdateContainer(payload).sections.isEmpty)
  }

  @Test func aShapeCountsAsWellAsASize() throws {
    let payload = try UpdateCodec.dense.encode(randomVector(layout, seed: 2)).payload
    let transposed = ParameterLayout([("a", [3, 2]), ("b", [5])])
    #expect(
      throws: UpdateError.layout(expected: transposed.digest, found: layout.digest)
    ) { try UpdateContainer(payload).check(against: transposed) }
  }

  @Test func aTensorBeyondTheFormatsLimitIsNamed() {
    let layout = ParameterLayout([("a", [1]), ("giant", [1 << 15, 1 << 15])])
    #expect(
      throws: UpdateError.tensorTooLarge(
        tensor: "giant", count: 1 << 30, limit: UpdateContainer.elementLimit)
    ) { try UpdateContainer.checkLimits(of: layout) }
  }

  @Test func theLongestRawSectionFitsItsField() {
    #expect(UpdateContainer.elementLimit * 4 <= Int(UInt32.max))
    // At worst one bit an element and one more a non-zero, in bytes.
    let bits = RiceCode.maximumBitCount(
      elementCount: UpdateContainer.elementLimit, nonZeroCount: UpdateContainer.elementLimit)
    #expect(bits / 8 <= Int(UInt32.max))
  }

  @Test func elementsAreFoundInTheirTensors() {
    #expect([0, 5, 6, 10].map { layout.tensor(at: $0) } == [0, 0, 1, 1])
  }

  @Test(arguments: [0, 1, 6, 10])
  func theFirstValueThatIsNotFiniteIsFound(index: Int) {
    var values = [Float](repeating: .greatestFiniteMagnitude, count: 11)
    #expect(firstNonFinite(in: values) == nil)
    values[10] = .nan
    values[index] = -.infinity
    #expect(firstNonFinite(in: values) == index)
  }
}
