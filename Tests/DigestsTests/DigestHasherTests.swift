// SPDX-License-Identifier: Apache-2.0
import Digests
import Testing

@Suite struct DigestHasherTests {
  private let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  @Test(arguments: [1, 7, 63, 64, 65, 999, 1000])
  func piecesHashAsTheWhole(pieceSize: Int) {
    var hasher = DigestHasher()
    for start in stride(from: 0, to: bytes.count, by: pieceSize) {
      hasher.update(Array(bytes[start..<min(start + pieceSize, bytes.count)]))
    }
    #expect(hasher.finalized() == Digest(of: bytes))
  }

  @Test func emptyPiecesChangeNothing() {
    var hasher = DigestHasher()
    hasher.update([UInt8]())
    hasher.update(bytes)
    hasher.update([Float]())
    hasher.update(UnsafeRawBufferPointer(start: nil, count: 0))
    #expect(hasher.finalized() == Digest(of: bytes))
  }

  @Test func floatsHashAsTheirLittleEndianBytes() {
    var hasher = DigestHasher()
    hasher.update([1, -2.5] as [Float])
    #expect(hasher.finalized() == Digest(of: [0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0]))
  }

  @Test func rawBytesHashAsAnArray() {
    var hasher = DigestHasher()
    bytes.withUnsafeBytes { hasher.update($0) }
    #expect(hasher.finalized() == Digest(of: bytes))
  }
}
