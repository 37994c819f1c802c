// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tensors

/// The products of attention, in whatever arithmetic.
struct AttentionProductsTests {
  static let arithmetics: [ProductArithmetic] =
    [.float32, .bfloat16(nil)] + BFloat16Tests.units.map { .bfloat16($0) }

  /// Rows, columns and depth: parts of tiles and of steps, one of each, and more of each.
  static let sizes = [
    [1, 1, 1], [16, 16, 32], [33, 47, 31], [5, 70, 100], [70, 33, 65], [3, 64, 9],
  ]

  /// Whole numbers, whose sums have one value in any order; a row has `stride` of them.
  private func whole(_ rows: Int, _ columns: Int, stride: Int, _ factor: Int) -> [Float] {
    (0..<(rows * stride)).map {
      // What lies between rows must not be read.
      $0 % stride < columns ? Float($0 * factor % 23 - 11) : .nan
    }
  }

  private func product(
    _ size: [Int], _ a: (Int, Int) -> Float, _ b: (Int, Int) -> Float
  ) -> [Float] {
    (0..<(size[0] * size[1])).map { index in
      (0..<size[2]).reduce(0) { $0 + a(index / size[1], $1) * b($1, index % size[1]) }
    }
  }

  /// What `body` puts into a target whose rows have three elements more, given products, a left
  /// operand and a right one.
  private func result(
    _ size: [Int], _ arithmetic: ProductArithmetic, _ a: [Float], stride leftStride: Int,
    _ b: [Float],
    _ body: (
      AttentionProducts, AttentionProducts.Rows, UnsafePointer<Float>, AttentionProducts.Target
    ) -> Void
  ) -> [Float] {
    var (a, b) = (a, b)
    let count = PackedRows.elementCount(rows: size.max() ?? 0, depth: size.max() ?? 0)
    var (left, right) = ([UInt16](repeating: 7, count: count), [UInt16](repeating: 7, count: count))
    let stride = size[1] + 3
    var target = [Float](repeating: 1, count: size[0] * stride)
    left.withUnsafeMutableBufferPointer { left in
      right.withUnsafeMutableBufferPointer { right in
        let products = AttentionProducts(
          in: arithmetic, left: left.baseAddress, right: right.baseAddress)
        products.prepare(&a, count: a.count)
        products.prepare(&b, count: b.count)
        a.withUnsafeBufferPointer { a in
          b.withUnsafeBufferPointer { b in
            target.withUnsafeMutableBufferPointer { target in
              guard let a = a.baseAddress, let b = b.baseAddress, let c = target.baseAddress
              else { return }
              body(
                products, .init(start: a, stride: leftStride), b, .init(start: c, stride: stride))
            }
          }
        }
      }
    }
    let places = target.indices.filter { $0 % stride < size[1] }
    #expect(target.indices.allSatisfy { $0 % stride < size[1] || target[$0] == 1 })
    return places.map { target[$0] }
  }

  @Test(arguments: sizes, arithmetics)
  func productsOfWholeNumbersAreExact(size: [Int], arithmetic: ProductArithmetic) {
    let (rows, columns, depth) = (size[0], size[1], size[2])
    let a = whole(rows, depth, stride: depth + 2, 37)
    let aTurned = whole(depth, rows, stride: rows + 2, 31)
    let b = whole(depth, columns, stride: columns, 29)
    let bTurned = whole(columns, depth, stride: depth, 41)
    let left = { (row: Int, place: Int) in a[row * (depth + 2) + place] }
    let right = { (place: Int, column: Int) in b[place * columns + column] }
    let plain = result(size, arithmetic, a, stride: depth + 2, b) {
      $0.multiply($1, $2, .neither, into: $3, rows: rows, columns: columns, depth: depth)
    }
    #expect(plain == product(size, left, right))
    let rightTurned = result(size, arithmetic, a, stride: depth + 2, bTurned) {
      $0.multiply($1, $2, .right, into: $3, rows: rows, columns: columns, depth: depth)
    }
    #expect(rightTurned == product(size, left) { bTurned[$1 * depth + $0] })
    let leftTurned = result(size, arithmetic, aTurned, stride: rows + 2, b) {
      $0.multiply($1, $2, .left, into: $3, rows: rows, columns: columns, depth: depth)
    }
    #expect(leftTurned == product(size, { aTurned[$1 * (rows + 2) + $0] }, right))
  }

  /// What is prepared, or packed, is rounded.
  @Test(arguments: arithmetics)
  func operandsAreRounded(arithmetic: ProductArithmetic) {
    let sum = result([1, 1, 2], arithmetic, [1 + 1 / 512, 3], stride: 2, [1, 1 / 1024]) {
      $0.multiply($1, $2, .neither, into: $3, rows: 1, columns: 1, depth: 2)
    }
    #expect(sum == [1 + (arithmetic == .float32 ? 5 : 3) / 1024])
  }
}
