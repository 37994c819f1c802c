// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Updates

@Suite struct ByteReaderTests {
  @Test func numbersAreLittleEndian() {
    var reader = ByteReader([1, 2, 3, 4, 5, 6, 7, 0xFF])
    #expect(reader.integer(UInt8.self) == 1)
    #expect(reader.integer(UInt16.self) == 0x0302)
    #expect(reader.integer(UInt32.self) == 0x0706_0504)
    #expect(reader.bytes(1) == [0xFF])
  }

  @Test func whatIsWrittenIsRead() {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt16(0xABCD))
    bytes.append(littleEndian: UInt32(0x0123_4567))
    #expect(bytes == [0xCD, 0xAB, 0x67, 0x45, 0x23, 0x01])
    var reader = ByteReader(bytes[...])
    #expect(reader.integer(UInt16.self) == 0xABCD)
    #expect(reader.integer(UInt32.self) == 0x0123_4567)
  }
}
