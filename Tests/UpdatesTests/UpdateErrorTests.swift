// SPDX-License-Identifier: Apache-2.0
import Digests
import Testing

@testable import Updates

@Suite struct UpdateErrorTests {
  static let errors: [UpdateError] = [
    .density(2), .nonFiniteInput(tensor: "a", index: 3),
    .diverged(version: 3), .tooManyTensors(count: 9, limit: 8),
    .tensorTooLarge(tensor: "a", count: 9, limit: 8), .truncated(needed: 2, available: 1), .magic,
    .version(2), .unknownCodec(3), .codec(expected: "dense", found: "ternary"),
    .tensorCount(expected: 1, found: 2), .layout(expected: Digest(of: [1]), found: Digest(of: [])),
    .tensorOrder(expected: 1, found: 2), .coding(tensor: 1, name: "2 (bitmap)"),
    .elementCount(tensor: 1, expected: 2, found: 3), .nonZeroCount(limit: 1, found: 2),
    .riceParameter(tensor: 1, found: 99), .scale(tensor: 1), .nonFinite(tensor: 1, index: 2),
    .sectionLength(tensor: 1, expected: 2, found: 3), .indexBeyondTensor(tensor: 1, count: 2),
    .padding(tensor: 1), .trailingBytes(1), .optimizerState(expected: 1, found: 2),
    .magnitude(1e39), .exactValues(tensor: 1), .updateCount(expected: 1, found: 2),
    .sequenceLength(limit: 1, found: 2),
  ]

  @Test(arguments: errors)
  func everyErrorSaysOnOneLineWhatIsWrong(error: UpdateError) {
    #expect(!error.description.contains("\n"))
    #expect(!error.description.contains("malformed"))
    #expect(error.description.contains(":") || error.description.contains(";"))
  }

  @Test func noTwoErrorsReadAlike() {
    #expect(Set(Self.errors.map(\.description)).count == Self.errors.count)
  }
}
