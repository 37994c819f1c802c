// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Checkpoints

@Suite struct TensorInfoTests {
  @Test func sizesFollowFromTypeAndShape() throws {
    let plain = try #require(TensorInfo(type: .float16, shape: [3, 5], offset: 10))
    #expect(plain.count == 15)
    #expect(plain.range == 10..<40)
    let blocks = try #require(TensorInfo(type: .q4_K, shape: [2, 512], offset: 0))
    #expect(blocks.range == 0..<(4 * 144))
    let scalar = try #require(TensorInfo(type: .float32, shape: [], offset: 4))
    #expect(scalar.range == 4..<8)
    let empty = try #require(TensorInfo(type: .float32, shape: [0, 7], offset: 4))
    #expect(empty.count == 0 && empty.range == 4..<4)
  }

  @Test func rowsHoldWholeBlocks() {
    #expect(TensorInfo(type: .q8_0, shape: [32, 16], offset: 0) == nil)
    #expect(TensorInfo(type: .q8_0, shape: [16, 32], offset: 0) != nil)
    #expect(TensorInfo(type: .q6_K, shape: [255], offset: 0) == nil)
    #expect(TensorInfo(type: .q4_0, shape: [], offset: 0) == nil)
  }

  @Test func sizesThatOverflowAreRefused() {
    let huge = 1 << 62
    #expect(TensorInfo(type: .float32, shape: [huge], offset: 0) == nil)
    #expect(TensorInfo(type: .int8, shape: [huge, 4], offset: 0) == nil)
    #expect(TensorInfo(type: .int8, shape: [huge], offset: huge) == nil)
    #expect(TensorInfo(type: .int8, shape: [huge], offset: huge - 1) != nil)
    #expect(TensorInfo(type: .int8, shape: [-1], offset: 0) == nil)
    #expect(TensorInfo(type: .int8, shape: [-1, -1], offset: 0) == nil)
    #expect(TensorInfo(type: .int8, shape: [1], offset: -1) == nil)
    #expect(TensorInfo(type: .int8, shape: [Int.max], offset: 1) == nil)
  }
}
